"""RSA for verification: reads a public key from DER or a JWK, and verifies a PKCS#1 v1.5 SHA-256 signature (RFC 8017
8.2.2). Python's standard library has no RSA. No secret is handled here."""
import base64
import hashlib

SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")


def unbase64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_jwk(jwk):
    return tuple(int.from_bytes(unbase64url(jwk[name])) for name in ("n", "e"))


def to_jwk(key):
    n, e = (base64url(value.to_bytes((value.bit_length() + 7) // 8)) for value in key)
    return {"kty": "RSA", "n": n, "e": e}


def from_der(der):
    """A SubjectPublicKeyInfo: SEQUENCE { SEQUENCE { OID rsaEncryption, NULL }, BIT STRING { SEQUENCE { n, e } } }"""
    algorithm, key = children(element(der, 0x30))
    assert bytes.fromhex("2a864886f70d010101") in algorithm[1], "not an RSA key"
    assert key[1][:1] == b"\0", "unused bits in the key"
    n, e = children(element(key[1][1:], 0x30))
    return int.from_bytes(n[1]), int.from_bytes(e[1])


def element(data, tag):
    (found,) = children(data)
    assert found[0] == tag, f"tag {found[0]:#x} where {tag:#x} was expected"
    return found[1]


def children(data):
    out = []
    while data:
        tag, length, head = data[0], data[1], 2
        if length & 0x80:
            head += length & 0x7F
            length = int.from_bytes(data[2:head])
        assert len(data) >= head + length, "cut short"
        out.append((tag, data[head : head + length]))
        data = data[head + length :]
    return out


def verify(key, message, signature):
    n, e = key
    size = (n.bit_length() + 7) // 8
    assert len(signature) == size, "a signature of the wrong length"
    tail = SHA256_PREFIX + hashlib.sha256(message).digest()
    expected = b"\0\1" + b"\xff" * (size - len(tail) - 3) + b"\0" + tail
    assert pow(int.from_bytes(signature), e, n).to_bytes(size) == expected, "the signature does not verify"
