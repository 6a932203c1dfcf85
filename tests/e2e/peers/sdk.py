"""Signs a request with the Python SDK, as its documentation describes it. argv: profile, endpoint."""
import sys

import oci

profile, endpoint = sys.argv[1:]
config = oci.config.from_file(profile_name=profile)
for need in ("tenancy", "region", "fingerprint", "key_file", "security_token_file"):
    assert config.get(need), f"{need} is missing"
assert "user" not in config or not config["user"], "a user makes other SDKs sign as an API key"
with open(config["security_token_file"]) as token:
    signer = oci.auth.signers.SecurityTokenSigner(token.read(), oci.signer.load_private_key_from_file(config["key_file"]))
client = oci.object_storage.ObjectStorageClient({"region": config["region"]}, signer=signer, service_endpoint=endpoint)
print(client.get_namespace().data)
