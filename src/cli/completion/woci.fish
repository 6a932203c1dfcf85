# Completes woci in fish: `woci completion fish` prints this.
#
#     woci completion fish >~/.config/fish/completions/woci.fish

function __woci_complete
    set -l current (commandline -ct)
    set -l before (commandline -opc)
    set -l woci (string replace -r '^~/' "$HOME/" -- $before[1])
    set -e before[1]
    for line in ($woci __complete -- $before "$current" 2>/dev/null)
        switch $line
            case ':files*'
                # A path may stand behind `--option=`.
                set -l option (string match -r -- '^--[^=]*=' $current)
                set -l path (string replace -r -- '^--[^=]*=' '' $current)
                for found in (__fish_complete_path $path)
                    printf '%s\n' "$option$found"
                end
            case ':programs*'
                __fish_complete_command
            case '*'
                printf '%s\n' $line
        end
    end
end

complete -c woci -f -a '(__woci_complete)'
