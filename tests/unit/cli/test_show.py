import json

import pytest
from google.protobuf.descriptor_pool import Default
from google.protobuf.message_factory import GetMessageClass

from aeterna.common.v1 import change_pb2
from aeterna.governance.v1 import audit_pb2, tenants_pb2
from aeterna.knowledge.v1 import knowledge_pb2
from aeterna.memory.v1 import memory_pb2
from aeterna.sync.v1 import sync_pb2
from cli.changes import line
from cli.options import Output
from cli.show import plain, show

FILES = [each.DESCRIPTOR for each in (memory_pb2, knowledge_pb2, tenants_pb2, audit_pb2, sync_pb2)]
LISTED = {
    field.message_type.full_name
    for file in FILES
    for message in file.message_types_by_name.values()
    if message.name.endswith("Response")
    for field in message.fields
    if field.message_type and field.is_repeated
}


@pytest.mark.parametrize("name", sorted(LISTED))
def test_whatever_the_contract_lists_has_a_table(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    message = GetMessageClass(Default().FindMessageTypeByName(name))()

    show([message], Output.TABLE)

    title, _, row = capsys.readouterr().out.strip("\n ").splitlines()[:3]
    assert title.split()
    assert row.split()


def test_json_is_that_of_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    memory = memory_pb2.Memory(name="memories/1", layer=memory_pb2.LAYER_USER, version=7)

    show(memory, Output.JSON)
    one = json.loads(capsys.readouterr().out)
    show([memory], Output.JSON)
    several = json.loads(capsys.readouterr().out)

    assert one == {"name": "memories/1", "layer": "LAYER_USER", "version": "7"}
    assert several == [one]


def test_an_empty_list_is_a_list_for_programs_and_a_word_for_people(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show([], Output.JSON)
    show([], Output.TABLE)

    assert capsys.readouterr() == ("[]\n", "none\n")


def test_a_remark_is_an_empty_object_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    show("memories/1 is deleted.", None)
    show("memories/1 is deleted.", Output.JSON)

    assert capsys.readouterr().out == "memories/1 is deleted.\n{}\n"


def test_content_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show(memory_pb2.Memory(content="\x1b[2J[bold]x[/bold]\x07"), None)

    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "[bold]x[/bold]" in shown


def test_readable_text_stays_as_it_is() -> None:
    assert plain("Grüße\n\t→ 日本") == "Grüße\n\t→ 日本"


def test_a_change_is_one_line() -> None:
    change = change_pb2.Change(
        number=12,
        resource="memories/1",
        operation=change_pb2.OPERATION_PROMOTED,
        actor="user:ann",
        layer="team",
    )

    assert line(change).split() == [
        "12",
        "00:00:00",
        "promoted",
        "team",
        "memories/1",
        "user:ann",
    ]
