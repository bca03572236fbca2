"""Evening: the trail of the day is complete and unaltered."""

from aeterna.governance.v1 import audit_pb2 as pb
from cli.demo import texts
from cli.demo.cast import Cast
from cli.demo.live import Follower
from libs.auth import Role


async def audit(cast: Cast, tenant: str, follower: Follower) -> None:
    """An administrator verifies the trail; the subscriber has seen all of it."""
    stage = cast.stage
    stage.act("17:45  Jonas closes the day: is the audit trail whole?")
    jonas = await cast.join(tenant, texts.JONAS, [Role.TENANT_ADMIN])
    await jonas.audit.RecordAuditEvent(pb.RecordAuditEventRequest(event="day.closed"))
    head = await follower.catch_up()
    verdict = await jonas.audit.VerifyAuditTrail(pb.VerifyAuditTrailRequest())
    stage.check("the audit trail is intact", verdict.intact, True)
    stage.check("how many entries were verified", verdict.checked, head)
    stage.done(
        f"{verdict.checked} entries verified, head {verdict.head.hex()[:16]}...",
        "audit entries verified",
        verdict.checked,
    )
    stage.check("the numbers that the subscriber saw", follower.numbers, list(range(1, head + 1)))
    stage.done(f"the subscriber saw 1 to {head}, without a gap", "changes seen live", head)
