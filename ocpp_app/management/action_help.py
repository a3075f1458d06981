"""What ``manage.py ocpp_command`` says of the actions and their fields, and the bash completion made from the same."""

import textwrap
from collections.abc import Iterator, Mapping

from ocppj.assignments import words_of
from ocppj.documentation import FieldDocumentation, describe
from ocppj.messages import Structure
from ocppj.protocol import ActionSpec, Sender
from ocppj.versions import PROTOCOLS

WIDTH = 100


def actions() -> Mapping[str, ActionSpec]:
    """The actions that a central system sends, in any OCPP version that is spoken here."""
    specs = {str(name): spec for protocol in PROTOCOLS.values() for name, spec in protocol.actions.items()}
    return {name: specs[name] for name in sorted(specs) if specs[name].sender is not Sender.charge_point}


def overview() -> str:
    """All actions by feature profile, as text."""
    by_profile: dict[str, list[str]] = {}
    for name, spec in actions().items():
        by_profile.setdefault(str(spec.profile), []).append(name)
    lines = ["actions (their fields: manage.py ocpp_command ACTION --help):"]
    for profile, names in by_profile.items():
        lines += textwrap.wrap(f"{profile}: {', '.join(names)}", WIDTH, initial_indent="  ", subsequent_indent="    ")
    return "\n".join(lines)


def listing(spec: ActionSpec) -> str:
    """An action with all its fields: limits, units, choices, texts."""
    doc = " ".join((spec.request.__doc__ or "").split())
    lines = [f"{spec.action} ({spec.section})", *textwrap.wrap(doc, WIDTH), ""]
    paths = list(_paths(spec.request))
    for path, field in paths:
        lines.append(f"  {path}  {_limits(field)}".rstrip())
        lines += textwrap.wrap(field.text, WIDTH, initial_indent="      ", subsequent_indent="      ")
    if not paths:
        lines.append("  It has no fields.")
    answer = [path for path, _field in _paths(spec.response)]
    lines += ["", f"The answer has {', '.join(answer)}." if answer else "The answer has no fields."]
    return "\n".join(lines)


def _paths(structure: type[Structure], prefix: str = "") -> Iterator[tuple[str, FieldDocumentation]]:
    for field in describe(structure):
        path = f"{prefix}{field.wire}" + ("[0]" if field.many else "")
        yield path, field
        if field.struct is not None:
            yield from _paths(field.struct, f"{path}.")


def _limits(field: FieldDocumentation) -> str:
    kind = " | ".join(words_of(field.enum)) if field.enum is not None else field.kind
    parts = [f"list of {kind}" if field.many else kind]
    parts += [f"in {field.unit}"] if field.unit else []
    parts += [f"at least {field.minimum}"] if field.minimum is not None else []
    parts += [f"at most {field.max_length} characters"] if field.max_length is not None else []
    parts += [f"at least {field.min_items} items"] if field.min_items else []
    return f"{'' if field.required else 'optional, '}{', '.join(parts)}"


COMPLETION = """\
# bash completion of `manage.py ocpp_command`: actions, fields, choices, options.
# source <(./manage.py ocpp_command --completion)
_ocpp_command_actions="{actions}"
_ocpp_command_options="{options}"
declare -gA _ocpp_command_fields=(
{fields}
)
declare -gA _ocpp_command_words=(
{words}
)
_ocpp_command() {{
    local line="${{COMP_LINE:0:COMP_POINT}}" current action="" candidates="" word position=0
    COMPREPLY=()
    [[ "$line" == *" ocpp_command "* ]] || return 0
    line="${{line#* ocpp_command }}"
    current="${{line##* }}"
    for word in ${{line% *}}; do
        [[ "$line" == *" "* ]] || break
        case "$word" in
            -*) ;;
            *) position=$((position + 1))
               [[ " $_ocpp_command_actions " == *" $word "* && -z "$action" ]] && action="$word" ;;
        esac
    done
    case "$current" in
        -*) candidates="$_ocpp_command_options" ;;
        *=*) for word in ${{_ocpp_command_words[$action ${{current%%=*}}]}}; do
                 candidates+="${{current%%=*}}=$word "
             done ;;
        *) if [[ -n "$action" ]]; then
               candidates="${{_ocpp_command_fields[$action]}}"
           else
               candidates="$_ocpp_command_actions"
           fi ;;
    esac
    COMPREPLY=($(compgen -W "$candidates" -- "$current"))
    if [[ "$current" == *=* && "$COMP_WORDBREAKS" == *=* ]]; then
        COMPREPLY=("${{COMPREPLY[@]#*=}}")
    elif [[ ${{#COMPREPLY[@]}} -eq 1 && "${{COMPREPLY[0]}}" == *= ]]; then
        compopt -o nospace 2>/dev/null
    fi
}}
complete -o default -F _ocpp_command manage.py ./manage.py
"""


def completion(options: list[str]) -> str:
    """A bash script that completes actions, field names, enumerations and options; it never starts Django."""
    fields, words = [], []
    for name, spec in actions().items():
        leaves = [(path, field) for path, field in _paths(spec.request) if field.struct is None]
        fields.append(f"    [{name}]='{' '.join(f'{path}=' for path, _field in leaves)}'")
        for path, field in leaves:
            choices = ["true", "false"] if field.kind == "boolean" else words_of(field.enum) if field.enum else []
            if choices:
                words.append(f"    ['{name} {path}']='{' '.join(choices)}'")
    return COMPLETION.format(
        actions=" ".join(actions()), options=" ".join(options), fields="\n".join(fields), words="\n".join(words)
    )
