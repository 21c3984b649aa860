"""The contract suite, once per engine, in processes of its own: a process can load one framework."""

import pytest


@pytest.mark.parametrize("backend", ["torch", "tf"])
@pytest.mark.parametrize("ranks", [1, 2])
def test_contract(backend, ranks, contract_suites):
    code, printed = contract_suites[backend].outcome(ranks)
    print(printed[-20_000:])
    assert code == 0
    assert any(" passed" in line for line in printed.splitlines()[-1:])
