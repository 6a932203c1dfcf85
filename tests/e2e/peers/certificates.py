"""Makes a company's certificate authority, and good and bad certificates of servers. argv: folder, and more
names of the servers.

Each NAME.pem holds a key and the chain that a server sends; ca.pem is what a client has to trust. Prints the hash by
which Chromium can be told to trust good.pem.
"""
import base64
import datetime
import hashlib
import ipaddress
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

FOLDER = pathlib.Path(sys.argv[1])
NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
HOSTS = ("idp.example.test", "domain.example.test", "localhost", *sys.argv[2:])


def certificate(name, issuer=None, hosts=(), ends=NOW + 30 * DAY, begins=NOW - 60 * DAY):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer_name, issuer_key = (issuer[0].subject, issuer[1]) if issuer else (subject, key)
    # Python 3.13 demands what RFC 5280 does: the identifiers of the keys, and an authority's usage of its key.
    own, its = (x509.SubjectKeyIdentifier.from_public_key(each.public_key()) for each in (key, issuer_key))
    builder = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer_name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(begins).not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=not hosts, path_length=None), critical=True)
        .add_extension(own, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(its), critical=False)
    )  # fmt: skip
    if not hosts:
        signs = dict.fromkeys(("key_cert_sign", "crl_sign"), True)
        others = dict.fromkeys(("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False)
        builder = builder.add_extension(x509.KeyUsage(**signs, **others), critical=True)
    if hosts:
        names = [x509.DNSName(host) for host in hosts] + [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256()), key


def pem(*pairs, key=True):
    text = b"".join(cert.public_bytes(serialization.Encoding.PEM) for cert, _ in pairs)
    if key:
        text += pairs[0][1].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    return text


root = certificate("woci e2e company root")
issuing = certificate("woci e2e issuing", root)
good = certificate("idp.example.test", root, HOSTS)
below = certificate("idp.example.test", issuing, HOSTS)
for name, text in {
    "ca": pem(root, key=False),
    "good": pem(good),
    "intermediate": pem(below, issuing),
    "no-intermediate": pem(below),
    "expired": pem(certificate("idp.example.test", root, HOSTS, ends=NOW - DAY)),
    "not-yet": pem(certificate("idp.example.test", root, HOSTS, begins=NOW + DAY)),
    "wrong-host": pem(certificate("other.example.test", root, ("other.example.test",))),
    "self-signed": pem(certificate("idp.example.test", None, HOSTS)),
}.items():
    (FOLDER / f"{name}.pem").write_bytes(text)

spki = good[1].public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
print(base64.b64encode(hashlib.sha256(spki).digest()).decode())
