"""The CAs and front-proxy rules that are given as flags."""

from apiserver.auth.certificates import Authority
from apiserver.auth.requestheader import RequestHeaderRules
from apiserver.auth.trust import Trust
from apiserver.config import Config, RequestHeaderConfig


def read_trust(config: Config) -> Trust:
    """Read the files that flags name; blocks. Raises OSError or ValueError."""
    client_ca, proxy = config.client_ca_file, config.request_header
    return Trust(
        client_authority=Authority(client_ca.read_bytes()) if client_ca else None,
        request_header=_request_header(proxy) if proxy else None,
    )


def _request_header(config: RequestHeaderConfig) -> RequestHeaderRules:
    return RequestHeaderRules(
        authority=Authority(config.client_ca_file.read_bytes()),
        allowed_names=config.allowed_names,
        username_headers=config.username_headers,
        uid_headers=config.uid_headers,
        group_headers=config.group_headers,
        extra_prefixes=config.extra_headers_prefix,
    )
