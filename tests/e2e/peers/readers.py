"""Readers of ~/.oci, as their documentation describes them. argv: reader, config file, profile, endpoint.

Each line of stdin is a request: `new` makes the client first, `again` uses the client that is there. Each line of stdout is
the answer or the error, as JSON."""
import json
import logging
import pathlib
import sys

import oci


def signer_of(file, profile):
    config = oci.config.from_file(file, profile)
    token = pathlib.Path(config["security_token_file"]).read_text()
    return config, oci.auth.signers.SecurityTokenSigner(token, oci.signer.load_private_key_from_file(config["key_file"]))


def sdk(file, profile, endpoint):
    config, signer = signer_of(file, profile)
    for need in ("tenancy", "region", "fingerprint", "key_file", "security_token_file"):
        assert config.get(need), f"{need} is missing"
    assert "user" not in config or not config["user"], "a user makes other SDKs sign as an API key"
    client = oci.object_storage.ObjectStorageClient({"region": config["region"]}, signer=signer, service_endpoint=endpoint)
    return lambda: client.get_namespace().data


def langchain(file, profile, endpoint):
    from langchain_oci import ChatOCIGenAI

    model = ChatOCIGenAI(
        model_id="meta.llama-3.3-70b-instruct", compartment_id="ocid1.compartment.oc1..e2e", service_endpoint=endpoint,
        auth_type="SECURITY_TOKEN", auth_file_location=file, auth_profile=profile,
    )  # fmt: skip
    return lambda: model.invoke("Who are you?").content


def oracledb(file, profile, endpoint):
    """`endpoint` is the database's. What signs the request to OCI is a hook inside `connect`."""
    import oracledb
    import oracledb.plugins.oci_tokens

    params = {"auth_type": "SecurityToken", "file_location": file, "profile": profile}

    def ask():
        try:
            oracledb.connect(dsn=endpoint, extra_auth_params=params, retry_count=0)
        except oracledb.DatabaseError as error:
            if "DPY-4011" not in str(error):  # the database closed the connection
                raise
            return str(error)

    return ask


def ocifs(file, profile, endpoint):
    return lambda: files(endpoint, config=file, profile=profile)


def ocifs_signer(file, profile, endpoint):
    config, signer = signer_of(file, profile)
    return lambda: files(endpoint, config={"region": config["region"]}, signer=signer)


def files(endpoint, **options):
    import ocifs

    options |= {"config_kwargs": {"service_endpoint": endpoint}, "skip_instance_cache": True}
    return ocifs.OCIFileSystem(**options).ls("e2e-bucket@e2e-namespace")


logging.disable(logging.CRITICAL)
make = globals()[sys.argv[1]]
for line in sys.stdin:
    try:
        if line.strip() == "new":
            ask = make(*sys.argv[2:])
        answer = {"answer": ask()}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
