"""Signs a request with the Python SDK, and again each time that the token's file holds another token, until stdin ends. All
but the endpoint comes from the variables of `woci exec`."""
import os
import select
import sys

import oci

config = oci.config.from_file(os.environ["OCI_CONFIG_FILE"], os.environ["OCI_CONFIG_PROFILE"])
assert config["security_token_file"] == os.environ["OCI_CLI_SECURITY_TOKEN_FILE"]
key = oci.signer.load_private_key_from_file(os.environ["OCI_CLI_KEY_FILE"])
last = None
while True:
    with open(os.environ["OCI_CLI_SECURITY_TOKEN_FILE"]) as file:
        token = file.read()
    if token != last:
        signer = oci.auth.signers.SecurityTokenSigner(token, key)
        client = oci.object_storage.ObjectStorageClient({"region": os.environ["OCI_CLI_REGION"]}, signer=signer, service_endpoint=sys.argv[1])
        print(client.get_namespace().data, flush=True)
        last = token
    if select.select([sys.stdin], [], [], 0.1)[0]:
        sys.exit(7)
