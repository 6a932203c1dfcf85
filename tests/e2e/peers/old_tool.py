"""Encrypts a refresh token as the older Python tool did, with the library that it used. argv: file, rounds. The
passphrase is in the variable PASSPHRASE."""
import base64
import json
import os
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

file, rounds = sys.argv[1], int(sys.argv[2])
salt, nonce = os.urandom(16), os.urandom(12)
key = PBKDF2HMAC(hashes.SHA256(), 32, salt, rounds).derive(os.environ["PASSPHRASE"].encode())
with open(file, encoding="utf-8") as plain:
    sealed = AESGCM(key).encrypt(nonce, plain.read().strip().encode(), None)
text = {name: base64.b64encode(value).decode() for name, value in {"salt": salt, "nonce": nonce, "ct": sealed}.items()}
with open(file, "w", encoding="utf-8") as envelope:
    json.dump({"enc": "AESGCM", "kdf": "PBKDF2-HMAC-SHA256", "iter": rounds, **text}, envelope)
