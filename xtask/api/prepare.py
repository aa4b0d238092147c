"""Gets a server ready for schemathesis: checks both documents, makes objects, and writes a configuration that names them.

Usage: prepare.py URL CONFIGURATION

Without objects nearly every generated request would end at 404 and find nothing, so paths get names that exist, until a
request deletes what they name.
"""

import json
import sys
import urllib.request

from openapi_spec_validator import validate

SEED = 20261121
# Many, because requests delete them.
DEPLOYMENTS = 60
SAVEPOINTS = 60
SECRETS = 20
TOKENS = 20
IN_NAMESPACE = "/api/v1/namespaces/default"
# A stream has no end, and these say nothing that the tests of the page do not say.
EXCLUDED = ["/ext/v1/watch", "/swagger", "/swagger/{file}"]


def ask(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def deployment(name):
    artifact = {"kind": "JAR", "jarUri": "file:///none.jar"}
    spec = {"deploymentTargetName": "local", "template": {"spec": {"artifact": artifact}}}
    return {"metadata": {"name": name, "labels": {"made": "by-machine"}}, "spec": spec}


def savepoint(deployment_id, number):
    location = {
        "savepointLocation": f"file:///savepoints/{number}",
        "flinkSavepointId": "00000000-0000-0000-0000-000000000000",
    }
    return {"metadata": {"deploymentId": deployment_id}, "spec": location}


def seed(url):
    """Objects of each kind that a client can make; returns the names for the paths."""
    base = url + IN_NAMESPACE
    deployments = [ask(f"{base}/deployments", deployment(f"fuzzed-{n}")) for n in range(DEPLOYMENTS)]
    ids = [made["metadata"]["id"] for made in deployments]
    savepoints = [ask(f"{base}/savepoints", savepoint(ids[n % DEPLOYMENTS], n)) for n in range(SAVEPOINTS)]
    target = {"metadata": {"name": "fuzzed"}, "spec": {"local": {}}}
    ask(f"{base}/deployment-targets", target)
    for number in range(SECRETS):
        secret = {"metadata": {"name": f"fuzzed-{number}"}, "spec": {"kind": "Plain", "value": "correct-horse"}}
        ask(f"{base}/secret-values", secret)
    for number in range(TOKENS):
        token = {"name": f"namespaces/default/apitokens/fuzzed-{number}", "role": "viewer"}
        ask(f"{url}/apitokens/v1/namespaces/default/apitokens", token)
    return {
        "deployments/{name}": [made["metadata"]["name"] for made in deployments] + ids,
        "savepoints/{id}": [made["metadata"]["id"] for made in savepoints],
        "deployment-targets/{name}": ["local", "fuzzed"],
        "secret-values/{name}": [f"fuzzed-{number}" for number in range(SECRETS)],
        "apitokens/{name}": [f"fuzzed-{number}" for number in range(TOKENS)],
    }


def configuration(names):
    lines = [
        f"seed = {SEED}",
        "continue-on-failure = true",
        'suppress-health-check = ["all"]',
        "",
        "[parameters]",
        '"path.namespace" = "default"',
    ]
    for place, values in names.items():
        lines += ["", f"[dictionaries.{dictionary(place)}]", f"values = {json.dumps(values)}"]
    for path in EXCLUDED:
        lines += ["", "[[operations]]", f"include-path = {json.dumps(path)}", "enabled = false"]
    for place in names:
        parameter = place[place.index("{") + 1 : -1]
        binding = f'{{ dictionary = "{dictionary(place)}", probability = 0.8 }}'
        lines += [
            "",
            "[[operations]]",
            f"include-path-regex = {json.dumps('/' + place.replace('{', '[{]').replace('}', '[}]'))}",
            f'parameters = {{ "path.{parameter}" = {binding} }}',
        ]
    return "\n".join(lines) + "\n"


def dictionary(place):
    return place.split("/")[0]


def main():
    url, path = sys.argv[1:]
    validate(ask(f"{url}/api/openapi.json"))
    validate(ask(f"{url}/api/swagger.json"))
    print("both documents are as their specifications say")
    text = configuration(seed(url))
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


main()
