"""The syntax of names, label keys and label values (apimachinery, util/validation).

Each function returns what is wrong with a text, in the words of Kubernetes; nothing is an empty list.
"""

import re

MAX_SUBDOMAIN_LENGTH = 253
MAX_NAME_PART_LENGTH = 63

# No vowels, and nothing that looks like something else: names are read aloud, and must not offend.
NAME_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
NAME_SUFFIX_LENGTH = 5

_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = rf"({_QUALIFIED})?"
_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"

_DNS_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS_LABEL_PROBLEM = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must "
    "start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for "
    f"validation is '{_DNS_LABEL}')"
)

_CONSISTS = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character"
)
_QUALIFIED_HINT = (
    f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_QUALIFIED}')"
)
_LABEL_VALUE_PROBLEM = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or "
    f"'12345', regex used for validation is '{_LABEL_VALUE}')"
)
_SUBDOMAIN_PROBLEM = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    f"for validation is '{_SUBDOMAIN}')"
)


def subdomain_problems(name: str) -> list[str]:
    """Say why `name` is not a DNS-1123 subdomain."""
    return _subdomain_problems(name, "characters")


def _subdomain_problems(name: str, unit: str) -> list[str]:
    problems = []
    if len(name.encode()) > MAX_SUBDOMAIN_LENGTH:
        problems.append(f"must be no more than {MAX_SUBDOMAIN_LENGTH} {unit}")
    # Of a longer text the pattern gets no more than shows that it is too long.
    if not re.fullmatch(_SUBDOMAIN, name[: MAX_SUBDOMAIN_LENGTH + 1]):
        problems.append(_SUBDOMAIN_PROBLEM)
    return problems


def dns_label_problems(name: str) -> list[str]:
    """Say why `name` is not a DNS-1123 label, which a namespace must be."""
    problems = []
    if len(name.encode()) > MAX_NAME_PART_LENGTH:
        problems.append(f"must be no more than {MAX_NAME_PART_LENGTH} characters")
    if not re.fullmatch(_DNS_LABEL, name):
        problems.append(_DNS_LABEL_PROBLEM)
    return problems


def label_key_problems(key: str) -> list[str]:
    """Say why `key` is not a qualified name, `prefix/name` or just `name`."""
    prefix, slash, name = key.rpartition("/")
    if "/" in prefix:
        hint = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [f"a valid label key {_CONSISTS} {_QUALIFIED_HINT} {hint}"]
    problems = []
    if slash and not prefix:
        problems.append("prefix part must be non-empty")
    elif slash:
        problems.extend(f"prefix part {each}" for each in _subdomain_problems(prefix, "bytes"))
    if not name:
        problems.append("name part must be non-empty")
    elif len(name.encode()) > MAX_NAME_PART_LENGTH:
        problems.append(f"name part must be no more than {MAX_NAME_PART_LENGTH} bytes")
    if not re.fullmatch(_QUALIFIED, name):
        problems.append(f"name part {_CONSISTS} {_QUALIFIED_HINT}")
    return problems


def label_value_problems(value: str) -> list[str]:
    """Say why `value` cannot be the value of a label; an empty one can."""
    problems = []
    if len(value.encode()) > MAX_NAME_PART_LENGTH:
        problems.append(f"must be no more than {MAX_NAME_PART_LENGTH} bytes")
    if not re.fullmatch(_LABEL_VALUE, value):
        problems.append(_LABEL_VALUE_PROBLEM)
    return problems


def path_segment_problems(segment: str) -> list[str]:
    """Say why `segment` cannot be one step of a path, which every name must be."""
    if segment in {".", ".."}:
        return [f"may not be '{segment}'"]
    return [f"may not contain '{each}'" for each in "/%" if each in segment]
