# Answers the access checks on its input with Samba's own code. See ../samba.rs.
import sys

from samba import NTSTATUSError
from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack
from samba.security import access_check

PRIVILEGES = {
    "SeTakeOwnershipPrivilege": security.SEC_PRIV_TAKE_OWNERSHIP_BIT,
    "SeSecurityPrivilege": security.SEC_PRIV_SECURITY_BIT,
}
# Of no domain that a case is in: no SID is named by it.
DOMAIN = security.dom_sid("S-1-5-21-7-7-7")

for line in sys.stdin:
    raw, words, sids, privileges, desired = line.split(" ")
    descriptor = ndr_unpack(security.descriptor, bytes.fromhex(raw))
    token = security.token()
    token.sids = [security.dom_sid(sid) for sid in sids.split(",")]
    # Read back it would be as long as this says.
    token.num_sids = sids.count(",") + 1
    for name in privileges.split(","):
        if name != "-":
            token.privilege_mask |= PRIVILEGES[name]
    try:
        granted = access_check(descriptor, token, int(desired, 16))
        access = f"{granted:#x}"
    except NTSTATUSError:
        access = "denied"
    packed = ndr_pack(descriptor).hex()
    # What it reads from our words is what it reads from our bytes; it has none for a missing list.
    theirs = "-"
    if "NO_ACCESS_CONTROL" not in words and "D:" in words:
        try:
            read = security.descriptor.from_sddl(words, DOMAIN)
        except TypeError:
            sys.exit(f"it does not read {words}")
        # (Of a list itself it takes the revision of directories.)
        assert [ndr_pack(ace) for ace in read.dacl.aces] == [
            ndr_pack(ace) for ace in descriptor.dacl.aces
        ], words
        theirs = read.as_sddl(DOMAIN)
    print(access, packed, theirs)
