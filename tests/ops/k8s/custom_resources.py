"""Custom resources, which no schema of Kubernetes knows: validated by their models, and compiled by their types.

The models find wrong types and missing fields, and let unknown fields pass; TypeScript finds those, as each
document is a literal of its type.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.ops.k8s.rendered import Rendered
from tests.ops.tools import NODE_MODULES, run

#: The groups whose resources the cluster itself does not know, and the module with their types.
MODULES = {
    "keda.sh/v1alpha1": "@kubernetes-models/keda/keda.sh/v1alpha1",
    "monitoring.coreos.com/v1": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1",
}
_SCRIPT = Path(__file__).with_suffix(".mjs")
_TSCONFIG = {
    "compilerOptions": {
        "strict": True,
        "noEmit": True,
        "skipLibCheck": True,
        "target": "es2022",
        "module": "esnext",
        "moduleResolution": "bundler",
        "types": [],
        "paths": {"@kubernetes-models/*": [f"{NODE_MODULES}/@kubernetes-models/*"]},
    },
    "files": ["resources.ts"],
}


def custom(rendered: Rendered) -> list[dict[str, Any]]:
    """The documents of groups that are not of Kubernetes itself."""
    return [document for document in rendered.documents if document["apiVersion"] in MODULES]


def model_complaints(resources: list[dict[str, Any]], scratch: Path) -> str:
    """What the models say; empty where all fit."""
    (scratch / "resources.json").write_text(json.dumps(resources), encoding="utf-8")
    answer = run("node", _SCRIPT, scratch / "resources.json")
    assert (answer.returncode == 0) == (answer.stdout == ""), answer.stderr
    return answer.stdout


def type_complaints(resources: list[dict[str, Any]], scratch: Path) -> str:
    """What the compiler says; empty where all fit."""
    lines = []
    for number, resource in enumerate(resources):
        kind = f"I{resource['kind']}"
        lines.append(f'import type {{ {kind} as Kind{number} }} from "{MODULES[resource["apiVersion"]]}";')
        lines.append(f"export const resource{number}: Kind{number} = {json.dumps(resource)};")
    (scratch / "resources.ts").write_text("\n".join(lines), encoding="utf-8")
    (scratch / "tsconfig.json").write_text(json.dumps(_TSCONFIG), encoding="utf-8")
    answer = run("tsc", "--project", scratch, "--pretty", "false")
    assert (answer.returncode == 0) == (answer.stdout == ""), answer.stderr
    return answer.stdout
