"""gRPC servicer of roles and of suspended users."""

from contextlib import suppress
from uuid import UUID

from google.protobuf import empty_pb2

from aeterna.governance.v1 import roles_pb2 as pb
from aeterna.governance.v1 import roles_pb2_grpc
from libs.aip.filtering import Field, Kind, parse
from libs.aip.names import resource_uuid
from libs.aip.paging import Page
from libs.auth import Role
from libs.authorization.things import ROLE_BINDING, Thing
from libs.encryption.keyring import Keyring
from libs.service.caller import Caller, caller
from libs.service.convert import asked, moment, timestamp
from libs.service.pipeline import Context
from services.governance.authorization.api.common import after, named, person
from services.governance.authorization.domain.roles import (
    COLLECTION,
    ORDER,
    Place,
    RoleBinding,
    SuspendedUser,
)
from services.governance.authorization.errors import RoleBindingNotFound
from services.governance.authorization.ports import Roles

_ROLES: dict[int, Role] = {
    getattr(pb, f"ROLE_{role.name}"): role for role in ORDER if role is not Role.PLATFORM_ADMIN
}
_NUMBERS: dict[Role, pb.Role.ValueType] = {
    role: pb.Role.ValueType(number) for number, role in _ROLES.items()
}
_FILTER = {
    "user": Field("user_id", Kind.TEXT),
    "role": Field("role", Kind.ENUM, {role.value: role.value for role in _NUMBERS}),
    **{name: Field(name, Kind.TEXT) for name in Place.model_fields},
    "expire_time": Field("expires_at", Kind.TIME),
}


class RoleServicer(roles_pb2_grpc.RoleServiceServicer):
    """`aeterna.governance.v1.RoleService` over the store."""

    def __init__(self, roles: Roles, keyring: Keyring) -> None:
        self._roles, self._keyring = roles, keyring

    async def AssignRole(self, request: pb.AssignRoleRequest, context: Context) -> pb.RoleBinding:
        current, given = caller(), request.role_binding
        user = named(given.user, "role_binding.user")
        ends = given.expire_time
        end = moment(ends, "role_binding.expire_time") if given.HasField("expire_time") else None
        role, place = _ROLES[given.role], _place(given.scope)
        current.demand("AssignRole", _thing(current, user, role, place))
        by = await asked(current, self._keyring, "AssignRole", request)
        return _message(
            await self._roles.assign(current.route, by, person(current), user, role, place, end)
        )

    async def GetRoleBinding(
        self, request: pb.GetRoleBindingRequest, context: Context
    ) -> pb.RoleBinding:
        current = caller()
        return _message(
            await self._roles.get(current.route, resource_uuid(request.name, COLLECTION))
        )

    async def ListRoleBindings(
        self, request: pb.ListRoleBindingsRequest, context: Context
    ) -> pb.ListRoleBindingsResponse:
        current = caller()
        where = parse(request.filter, _FILTER)
        binding = f"ListRoleBindings/{current.tenant}/{request.filter}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        found = await self._roles.page(current.route, where, page.after_id(), page.limit)
        shown, token = page.cut(found, lambda each: each.id)
        return pb.ListRoleBindingsResponse(
            role_bindings=map(_message, shown), next_page_token=token
        )

    async def RevokeRole(self, request: pb.RevokeRoleRequest, context: Context) -> empty_pb2.Empty:
        current = caller()
        binding = resource_uuid(request.name, COLLECTION)
        await self._demand_revocation(current, binding)
        by = await asked(current, self._keyring, "RevokeRole", request)
        await self._roles.revoke(current.route, by, person(current), binding)
        return empty_pb2.Empty()

    async def _demand_revocation(self, current: Caller, binding: UUID) -> None:
        """Raises PermissionDenied; nothing of a binding that is gone: a repeat may ask for it."""
        with suppress(RoleBindingNotFound):
            found = await self._roles.get(current.route, binding)
            current.demand("RevokeRole", _thing(current, found.user, found.role, found.place))

    async def SuspendUser(
        self, request: pb.SuspendUserRequest, context: Context
    ) -> pb.SuspendedUser:
        current, user = caller(), named(request.user, "user")
        by = await asked(current, self._keyring, "SuspendUser", request)
        return _suspended(await self._roles.suspend(current.route, by, person(current), user))

    async def ResumeUser(self, request: pb.ResumeUserRequest, context: Context) -> empty_pb2.Empty:
        current, user = caller(), named(request.user, "user")
        by = await asked(current, self._keyring, "ResumeUser", request)
        await self._roles.resume(current.route, by, person(current), user)
        return empty_pb2.Empty()

    async def ListSuspendedUsers(
        self, request: pb.ListSuspendedUsersRequest, context: Context
    ) -> pb.ListSuspendedUsersResponse:
        current = caller()
        binding = f"ListSuspendedUsers/{current.tenant}"
        page = Page.asked(request.page_size, request.page_token, binding=binding)
        found = await self._roles.suspended(current.route, after(page), page.limit)
        shown, token = page.cut(found, lambda each: each.user)
        return pb.ListSuspendedUsersResponse(users=map(_suspended, shown), next_page_token=token)


def _thing(current: Caller, user: str, role: Role, place: Place) -> Thing:
    org, team, project = place.ids()
    return Thing(
        ROLE_BINDING, current.tenant, org=org, team=team, project=project, user=user, status=role
    )


def _place(scope: pb.RoleScope) -> Place:
    return Place(**{name: getattr(scope, name) for name in Place.model_fields})


def _message(binding: RoleBinding) -> pb.RoleBinding:
    return pb.RoleBinding(
        name=f"{COLLECTION}/{binding.id}",
        user=binding.user,
        role=_NUMBERS[binding.role],
        scope=pb.RoleScope(**binding.place.model_dump()),
        expire_time=timestamp(binding.expires_at) if binding.expires_at else None,
        granted_by=binding.actor,
        create_time=timestamp(binding.created_at),
        change_number=binding.number,
    )


def _suspended(user: SuspendedUser) -> pb.SuspendedUser:
    return pb.SuspendedUser(
        user=user.user,
        suspended_by=user.actor,
        suspend_time=timestamp(user.suspended_at),
        change_number=user.number,
    )
