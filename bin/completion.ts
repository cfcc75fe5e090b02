export const SHELLS = ['bash', 'zsh', 'fish'] as const

/** yargs answers `--get-yargs-completions <words>` with one word a line; `word:description` in zsh and fish. */
const SCRIPTS: Readonly<Record<(typeof SHELLS)[number], string>> = {
  bash: `_sluice() {
  local word="\${COMP_WORDS[COMP_CWORD]}"
  local IFS=$'\\n'
  COMPREPLY=( $(compgen -W "$(SHELL=bash sluice --get-yargs-completions "\${COMP_WORDS[@]}")" -- "$word") )
}
complete -o default -F _sluice sluice`,
  zsh: `#compdef sluice
_sluice() {
  local -a reply
  reply=("\${(@f)$(SHELL=zsh sluice --get-yargs-completions "\${words[@]}")}")
  _describe 'values' reply || _default
}
compdef _sluice sluice`,
  fish: `complete -c sluice -f -a '(env SHELL=fish sluice --get-yargs-completions (commandline -opc) (commandline -ct) | string replace ":" \\t)'`,
}

export const completionScript = (shell: (typeof SHELLS)[number]): string => SCRIPTS[shell]
