import grpc
import pytest
from google.rpc import status_pb2

from aeterna.memory.v1 import memory_pb2 as pb
from libs.clients.errors import from_status
from libs.clients.outgoing import TENANT_HEADER, with_request_id
from libs.errors import AppError, FieldViolation, InvalidRequest
from libs.service import admission
from libs.service.errors import to_status
from libs.tenancy import TenantMoved, TenantNotFound


@pytest.mark.parametrize("error", [TenantNotFound("acme"), TenantMoved("acme")])
def test_what_a_server_says_arrives_as_it_was(error: AppError) -> None:
    arrived = from_status(to_status(error))

    assert (arrived.reason, arrived.metadata) == (error.reason, error.metadata)
    assert str(arrived) == str(error)
    assert arrived.code.value[0] == to_status(error).code


def test_wrong_fields_arrive() -> None:
    violations = (FieldViolation("memory.layer", "is required"), FieldViolation("x", "is odd"))

    assert from_status(to_status(InvalidRequest(violations))).violations == violations


def test_a_status_without_details_has_no_reason() -> None:
    arrived = from_status(status_pb2.Status(code=14, message="gone"))

    assert (arrived.code, arrived.reason) == (grpc.StatusCode.UNAVAILABLE, "")


def test_a_code_of_another_time_is_unknown() -> None:
    assert from_status(status_pb2.Status(code=99)).code is grpc.StatusCode.UNKNOWN


def test_a_change_without_a_request_id_gets_one_of_its_own() -> None:
    request = pb.DeleteMemoryRequest(name="memories/1")

    first, second = with_request_id(request), with_request_id(request)

    assert isinstance(first, pb.DeleteMemoryRequest)
    assert isinstance(second, pb.DeleteMemoryRequest)
    assert len({first.request_id, second.request_id, ""}) == 3
    assert request.request_id == ""
    assert first.name == request.name


def test_a_request_id_that_is_given_stays() -> None:
    request = pb.DeleteMemoryRequest(name="memories/1", request_id="mine")

    assert with_request_id(request) is request


def test_reads_have_no_request_id() -> None:
    request = pb.GetMemoryRequest(name="memories/1")

    assert with_request_id(request) is request


def test_clients_and_servers_agree_on_the_header() -> None:
    assert TENANT_HEADER == admission.TENANT_HEADER
