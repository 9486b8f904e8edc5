# SPDX-License-Identifier: MIT
"""flood.py OBJECT FOLDER SERVER MOUNT: maps 300 copies, one after the other; says the server's MiB."""
import mmap, os, shutil, sys
source, folder, server, mount = sys.argv[1:]
def resident():
    with open(f"/proc/{server}/status") as status:
        return next(int(l.split()[1]) for l in status if l.startswith("VmRSS")) // 1024
sizes = []
for i in range(300):
    path = f"{folder}/flood-{i}.so"
    shutil.copy(source, path)
    with open(path, "rb") as file:
        memory = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE,
                           prot=mmap.PROT_READ | mmap.PROT_EXEC)
    try:
        os.stat(f"{mount}/{os.getpid()}")
    except FileNotFoundError:
        pass
    os.unlink(path)
    memory.close()
    if i % 100 == 99:
        sizes.append(resident())
print(*sizes)
