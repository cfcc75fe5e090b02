import { command } from '../command.ts'
import { completionScript, SHELLS } from '../completion.ts'
import { EXIT } from '../exit.ts'

export const completion = command({
  words: 'completion <shell>',
  about: 'Print the script that makes a shell complete the words of sluice',
  options: (yargs) =>
    yargs
      .positional('shell', { type: 'string', choices: SHELLS, demandOption: true, describe: 'Which shell' })
      .example('$0 completion bash >> ~/.bashrc', 'For bash')
      .example('$0 completion fish > ~/.config/fish/completions/sluice.fish', 'For fish'),
  run: async ({ shell }: { shell: (typeof SHELLS)[number] }, { out }) => {
    out(completionScript(shell))
    return EXIT.ok
  },
})
