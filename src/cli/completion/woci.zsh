#compdef woci
# Completes woci in zsh: `woci completion zsh` prints this.
#
#     woci completion zsh >~/.zfunc/_woci   with ~/.zfunc in fpath, before compinit in ~/.zshrc
#     source <(woci completion zsh)         after compinit in ~/.zshrc

_woci() {
    local line woci=${words[1]/#\~\//$HOME/}
    local -a described
    local -i files=0 programs=0
    (( $+commands[$woci] )) || [[ -x $woci ]] || woci=woci
    for line in "${(@f)$($woci __complete -- "${(@)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)}"; do
        case $line in
            '') ;;
            :files*) files=1 ;;
            :programs*) programs=1 ;;
            *$'\t') described+=("${line%$'\t'}") ;;
            *) described+=("${line%%$'\t'*}:${line#*$'\t'}") ;;
        esac
    done
    local -i found=1
    if (( $#described )); then _describe -t woci woci described && found=0; fi
    if (( files )); then
        compset -P '--*='
        _files && found=0
    fi
    if (( programs )); then _command_names -e && found=0; fi
    return found
}

# Either compinit has loaded this as a function, or a person has sourced it.
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _woci "$@"
else
    compdef _woci woci
fi
