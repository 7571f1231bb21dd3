"""Who runs or reads each block: a test for each page with commands, somebody for each other language."""

from __future__ import annotations

from tests.docs.code_blocks import SHELLS, Block

#: The test beside this file that runs the commands and the Python of a page, or of all pages of a folder.
RUN_BY = {
    "README.md": "test_code_blocks_readme.py",
    "docs/calibration.md": "test_code_blocks_files.py",
    "docs/importing.md": "test_code_blocks_files.py",
    "docs/offline.md": "test_code_blocks_files.py",
    "docs/report.md": "test_code_blocks_files.py",
    "docs/runs.md": "test_code_blocks_files.py",
    "docs/security.md": "test_code_blocks_files.py",
    "docs/validation.md": "test_code_blocks_files.py",
    "docs/operations/containers.md": "test_code_blocks_files.py",
    "docs/operations/dashboards.md": "test_code_blocks_files.py",
    "docs/operations/install.md": "test_code_blocks_files.py",
    "docs/operations/kubernetes.md": "test_code_blocks_files.py",
    "docs/operations/alerting.md": "test_code_blocks_server.py",
    "docs/producing.md": "test_code_blocks_server.py",
    "docs/repair.md": "test_code_blocks_server.py",
    "docs/shadow.md": "test_code_blocks_server.py",
    "docs/wire-format.md": "test_code_blocks_server.py",
    "docs/runbooks/": "test_code_blocks_runbooks.py",
    "docs/tutorial.md": "test_guides_tutorial.py",
    "docs/guides/": "test_guides.py",
}
#: Who parses, or runs, every block of another language.
PARSED_BY = {
    "acl": "tests/security/acl_users.py",
    "dockerfile": "tests/ops/test_code_blocks.py",
    "go": "tests/docs/test_guides.py",
    "js": "tests/docs/test_guides.py",
    "json": "tests/docs/test_code_blocks.py",
    "mermaid": "tests/docs/test_code_blocks.py",
    "promql": "tests/ops/test_code_blocks.py",
    "toml": "tests/docs/test_code_blocks.py",
    "yaml": "tests/ops/test_code_blocks.py",
}
#: Programs that ``make check-ops`` installs: tests/ops/test_code_blocks.py runs their commands.
RUN_BY_OPS = ("amtool", "promtool")


def runner_of(page: str) -> str | None:
    """The test that runs a page."""
    folder = f"{page.rpartition('/')[0]}/"
    return RUN_BY.get(page) or RUN_BY.get(folder)


def account_of(block: Block, before: Block | None) -> str | None:
    """How a block is accounted for, or None: run, parsed, compared, marked."""
    if block.not_run:
        return "marked"
    if block.language in (*SHELLS, "python"):
        if block.language != "python" and not block.commands_to_run():
            return "marked"
        return "run" if runner_of(block.page) else None
    if block.language == "text":
        if block.output_not_compared:
            return "marked"
        return "compared" if before is not None and account_of(before, None) == "run" else None
    return "parsed" if block.language in PARSED_BY else None
