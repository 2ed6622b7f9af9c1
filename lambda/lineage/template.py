"""The digest of a template, for a record of what asked for a job."""

from __future__ import annotations

import json

from lineage.entry import Template, digest_of


def template_of(*, stack_id: str, body: object) -> Template:
    """Return the digest of a template, as GetTemplate's `TemplateBody`: text or a JSON object."""
    text = body if isinstance(body, str) else json.dumps(body)
    try:
        canonical = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    except ValueError:
        canonical = text  # YAML: CloudFormation keeps it as it was sent
    return Template(stack_id=stack_id, sha256=digest_of(canonical.encode()))
