"""TLS 1.3 between nodes that know each other by key, without a certificate authority to trust.

TLS libraries want certificates signed by an authority. Ours has a *public* private key: it is derived from a fixed
string below, so every node signs its own leaf certificate and the signature proves nothing. What counts is that TLS
1.3 makes each side sign the handshake with its leaf's Ed25519 key (RFC 8446, 4.4.3): OpenSSL proves possession, and
the leaf's public key *is* the node id. Whether that id may do anything is for genesis or the tracker to say.

Certificates are valid for centuries, so that a wrong clock is no reason to be alone. Session tickets are off: a
resumed session would skip the proof.
"""

import os
import ssl
import tempfile
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from raclette.primitives.errors import PeerFault
from raclette.primitives.hashing import sha256

# The authority that everybody is. Its key is no secret and its signature no recommendation.
PUBLIC_AUTHORITY_SEED = sha256(b"raclette: the authority whose key everybody knows")

_VALID_FROM = datetime(2000, 1, 1, tzinfo=UTC)
_VALID_UNTIL = datetime(2500, 1, 1, tzinfo=UTC)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _certificate(common_name: str, key: Ed25519PublicKey, *, authority: bool) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .issuer_name(_name("raclette public authority"))
        .public_key(key)
        .serial_number(1 if authority else 2)
        .not_valid_before(_VALID_FROM)
        .not_valid_after(_VALID_UNTIL)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
    )
    return builder.sign(Ed25519PrivateKey.from_private_bytes(PUBLIC_AUTHORITY_SEED), None)


def authority_certificate() -> x509.Certificate:
    """The self-signed certificate of the public authority: the same bytes in every process."""
    key = Ed25519PrivateKey.from_private_bytes(PUBLIC_AUTHORITY_SEED).public_key()
    return _certificate("raclette public authority", key, authority=True)


def leaf_pem(seed: bytes) -> bytes:
    """Certificate and private key, in PEM, of the node whose 32 secret bytes are `seed`."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    certificate = _certificate("raclette node", key.public_key(), authority=False)
    return certificate.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _load(context: ssl.SSLContext, pem: bytes) -> None:
    """Give `pem` to OpenSSL, which takes file names only: a file in memory where the system has them, else a private
    one that is gone at once."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("raclette-leaf")
        try:
            os.write(fd, pem)
            context.load_cert_chain(f"/proc/self/fd/{fd}")
        finally:
            os.close(fd)
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)


def context_for(seed: bytes, *, server: bool) -> ssl.SSLContext:
    """A context that shows our leaf and demands one of the other side, TLS 1.3 only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.options |= ssl.OP_NO_TICKET
    if server:
        context.num_tickets = 0
    context.load_verify_locations(cadata=authority_certificate().public_bytes(Encoding.DER))
    _load(context, leaf_pem(seed))
    return context


def node_id_of(certificate_der: bytes | None) -> bytes:
    """The node id that a finished handshake has proven. Raises PeerFault."""
    if not certificate_der:
        raise PeerFault("no-certificate", "the other side showed none")
    try:
        key = x509.load_der_x509_certificate(certificate_der).public_key()
    except (ValueError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise PeerFault("bad-certificate", str(error)) from error
    if not isinstance(key, Ed25519PublicKey):
        raise PeerFault("bad-certificate", f"a {type(key).__name__} where an Ed25519 key belongs")
    return key.public_bytes_raw()
