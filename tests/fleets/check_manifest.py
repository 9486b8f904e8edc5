#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""check_manifest.py FILE: what Kubernetes' schema does not allow in a manifest, a line each.

The schema is the one that Kubernetes publishes (OpenAPI), as Debian's python3-kubernetes has it: that package's
models are generated from it. Reading a file with them forgives unknown fields, so this compares field by
field: no unknown name, no value of another type, nothing missing that is required. What a schema cannot say, but
a cluster refuses, comes last: a selector that does not select its own pods, a mount of no volume.
"""
import re
import sys

import yaml
from kubernetes import client

SIMPLE = {"str": str, "int": int, "bool": bool, "float": (int, float), "object": object}


def check_value(value, kind, where):
    """Yields what is wrong with a value that should be of a kind, as the models name it."""
    listed = re.fullmatch(r"list\[(.+)\]", kind)
    mapped = re.fullmatch(r"dict\(str, (.+)\)", kind)
    if kind in SIMPLE:
        # In Python, a bool is an int.
        if not isinstance(value, SIMPLE[kind]) or (kind == "int" and isinstance(value, bool)):
            yield f"{where}: {value!r} is no {kind}"
    elif not isinstance(value, list if listed else dict):
        yield f"{where}: {value!r} is no {kind}"
    elif listed:
        for i, each in enumerate(value):
            yield from check_value(each, listed[1], f"{where}[{i}]")
    elif mapped:
        for key, each in value.items():
            yield from check_value(each, mapped[1], f"{where}.{key}")
    else:
        yield from check_fields(value, getattr(client, kind), where)


def check_fields(fields, model, where):
    attributes = {field: attribute for attribute, field in model.attribute_map.items()}
    known = {attributes[field]: value for field, value in fields.items() if field in attributes}
    for field in fields.keys() - attributes.keys():
        yield f"{where}: {model.__name__} has no field {field}"
    try:
        model(**known)
    except ValueError as error:
        yield f"{where}: {error}"
    for attribute, value in known.items():
        field = model.attribute_map[attribute]
        yield from check_value(value, model.openapi_types[attribute], f"{where}.{field}")


def check_document(document):
    """apiVersion and kind choose the model; that group of the API must have a call that makes one."""
    kind = document.get("kind", "?")
    group, _, version = document.get("apiVersion", "?").rpartition("/")
    api = getattr(client, f"{(group or 'core').capitalize()}{version.capitalize()}Api", None)
    noun = re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower()
    if not any(hasattr(api, f"create_{scope}{noun}") for scope in ("", "namespaced_")):
        yield f"{kind}: no such kind in {document.get('apiVersion')}"
        return
    wrong = list(check_fields(document, getattr(client, version.capitalize() + kind), kind))
    if kind == "DaemonSet" and not wrong:
        wrong = check_daemon_set(document["spec"])
    yield from wrong


def check_daemon_set(spec):
    labels = spec["template"]["metadata"].get("labels", {})
    wanted = spec["selector"].get("matchLabels", {})
    if not wanted or not wanted.items() <= labels.items():
        yield f"DaemonSet: the selector does not select its pods, which have the labels {labels}"
    pod = spec["template"]["spec"]
    volumes = {volume["name"] for volume in pod.get("volumes", [])}
    for container in pod.get("initContainers", []) + pod["containers"]:
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in volumes:
                yield f"DaemonSet: {container['name']} mounts {mount['name']}, which is no volume"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        documents = list(yaml.safe_load_all(file))
    wrong = [each for document in documents for each in check_document(document)]
    print("\n".join(wrong or [f"{len(documents)} documents are as the schema says"]))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
