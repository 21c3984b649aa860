"""What a node sees of the ranks."""

import json
import socket

from mlm_core.ranks.node import node_facts


def test_a_process_alone():
    found = node_facts({})
    assert (found["rank"], found["count"], found["addresses"], found["problem"]) == (0, 1, {}, None)


def test_addresses_are_tried():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        workers = [f"127.0.0.1:{port}", "127.0.0.1:1", "no-such-host.invalid:80"]
        config = json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": 1}})
        found = node_facts({"TF_CONFIG": config})
    assert (found["rank"], found["count"], found["by"]) == (1, 3, "TF_CONFIG")
    assert list(found["addresses"].values()) == [
        "answers",
        "nobody listens there yet",
        "the name is unknown here",
    ]
    master = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "99999"}
    assert list(node_facts(master)["addresses"].values()) == ["no such port"]


def test_problems_are_named():
    assert "RANK is missing" in node_facts({"WORLD_SIZE": "2"})["problem"]
    assert "MASTER_ADDR" in node_facts({"RANK": "0", "WORLD_SIZE": "2"})["problem"]
