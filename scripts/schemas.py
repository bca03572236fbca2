"""JSON schemas of Kubernetes' objects for kubeconform, whose own source for them is not a registry.

`python3 scripts/schemas.py SWAGGER FOLDER` reads a Kubernetes release's OpenAPI document. Then
`kubeconform -strict -schema-location 'FOLDER/{{ .ResourceKind }}{{ .KindSuffix }}.json' FILE...`.
"""

import json
import sys
from pathlib import Path
from typing import Any

DEFINITIONS = "_definitions.json"


def main(swagger: Path, folder: Path) -> None:
    definitions = json.loads(swagger.read_text())["definitions"]
    quantity = definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"]
    quantity.update(type=["string", "number"])  # as the API server reads it
    for definition in definitions.values():
        close(definition)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DEFINITIONS).write_text(json.dumps({"definitions": definitions}))
    for name, definition in definitions.items():
        for kind in definition.get("x-kubernetes-group-version-kind", []):
            schema = {"$ref": f"{DEFINITIONS}#/definitions/{name}"}
            (folder / file_name(kind)).write_text(json.dumps(schema))


def close(node: Any) -> None:
    """Make a schema refuse unknown fields, and translate what is not JSON Schema."""
    if isinstance(node, list):
        for child in node:
            close(child)
    if not isinstance(node, dict):
        return
    if node.get("format") == "int-or-string":
        node["type"] = ["string", "integer"]
    if isinstance(node.get("$ref"), str):
        node["$ref"] = node["$ref"].replace("#/", f"{DEFINITIONS}#/", 1)
    if isinstance(node.get("properties"), dict):
        node.setdefault("additionalProperties", False)
    for child in list(node.values()):
        close(child)


def file_name(kind: dict[str, str]) -> str:
    """Kubeconform's name of a kind: lower case, the group's first label, the version."""
    parts = (kind["kind"], kind["group"].split(".")[0], kind["version"])
    return "-".join(part.lower() for part in parts if part) + ".json"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
