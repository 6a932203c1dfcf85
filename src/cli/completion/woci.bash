# Completes woci in bash (3.2 and newer; the package bash-completion is not needed): `woci completion bash` prints this.
#
#     source <(woci completion bash)        in ~/.bashrc

_woci() {
    local woci typed rest= word= i candidate current before
    local -a words files
    # bash also splits words at `=` and `:`. Here, words are what stands between blanks.
    typed=${COMP_LINE:-"${COMP_WORDS[*]}"}
    typed=${typed:0:${COMP_POINT:-${#typed}}}
    typed=${COMP_WORDS[0]}${typed#*"${COMP_WORDS[0]}"}
    words=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        rest=${typed#"${typed%%[![:blank:]]*}"}
        word=${COMP_WORDS[i]}
        # Of the last word, what stands before the cursor counts.
        if ((i == COMP_CWORD)); then word=$rest; fi
        if ((i > 0)) && [[ -n $word && $rest == "$typed" ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words[${#words[@]}]=$word
        fi
        typed=${rest#"$word"}
    done
    current=${words[${#words[@]} - 1]}
    # bash replaces only what follows the last `=` or `:`.
    case $rest in
        = | :) before=$current rest= ;;
        *) before=${current%"$rest"} ;;
    esac

    case $1 in
        "~/"*) woci=$HOME/${1#"~/"} ;;
        *) woci=$1 ;;
    esac
    type -P "$woci" >/dev/null || woci=woci
    COMPREPLY=()
    while IFS=$'\t' read -r candidate _; do
        case $candidate in
            :files)
                # bash 3.2 has no compopt.
                compopt -o default 2>/dev/null || {
                    while IFS= read -r candidate; do COMPREPLY[${#COMPREPLY[@]}]=$candidate; done \
                        < <(compgen -f -- "$rest")
                }
                ;;
            :programs)
                while IFS= read -r candidate; do COMPREPLY[${#COMPREPLY[@]}]=$candidate; done \
                    < <(compgen -c -- "$rest")
                ;;
            *) COMPREPLY[${#COMPREPLY[@]}]=${candidate#"$before"} ;;
        esac
    done < <("$woci" __complete -- "${words[@]:1}" 2>/dev/null)
}

complete -F _woci woci
