"""The contract suite, once per engine, in a process of its own each: a process can load one framework."""

import pytest


@pytest.mark.parametrize("backend", ["torch", "tf"])
def test_contract(backend, contract_suites):
    process, printed = contract_suites[backend]
    code = process.wait()
    lines = printed.read_text(encoding="utf-8", errors="replace")
    print(lines[-20_000:])
    assert code == 0
    assert " passed" in lines.splitlines()[-1]
