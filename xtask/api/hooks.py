"""Lets schemathesis get past the door: half of the generated Deployments, targets and Savepoints get what a server needs.

A random document is nearly always refused, because it refers to things that do not exist; then only the checks of
documents would be tried. What is filled in is what a person would have filled in; everything else stays random.
"""

import json
import zlib

import schemathesis


def put(document, path, value):
    """Sets a member; whatever stands in the way and is no object gives way."""
    *parents, last = path.split(".")
    for parent in parents:
        if not isinstance(document.get(parent), dict):
            document[parent] = {}
        document = document[parent]
    document[last] = value


def deployment(body, number):
    put(body, "spec.deploymentTargetName", "local")
    put(body, "spec.template.spec.artifact.kind", "JAR")
    put(body, "spec.template.spec.artifact.jarUri", "file:///none.jar")
    for other in ["deploymentTargetId", "sessionClusterName"]:
        body["spec"].pop(other, None)
    for other in ["resources", "kubernetes"]:
        body["spec"]["template"]["spec"].pop(other, None)
    return f"random-{number % 500}"


def target(body, number):
    body["spec"] = {"local": {}}
    return f"random_{number % 500}"


@schemathesis.hook
def map_body(context, body):
    method, path = context.operation.method.upper(), context.operation.path
    if not isinstance(body, dict):
        return body
    number = zlib.crc32(json.dumps(body, sort_keys=True, default=str).encode())
    if number % 2:
        return body
    if path.endswith("/deployments") or path.endswith("/deployments/{name}"):
        name = deployment(body, number)
    elif "/deployment-targets" in path:
        name = target(body, number)
    else:
        return body
    metadata = body.get("metadata")
    kept = {"labels", "annotations", "displayName"}
    body["metadata"] = {key: metadata[key] for key in kept & metadata.keys()} if isinstance(metadata, dict) else {}
    for key in ["labels", "annotations"]:
        texts = body["metadata"].get(key)
        if isinstance(texts, dict):
            body["metadata"][key] = {k: v for k, v in texts.items() if isinstance(v, str)}
    if method == "POST":
        body["metadata"]["name"] = name
    return body
