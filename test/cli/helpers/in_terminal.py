"""Runs a command in a pseudo-terminal: in_terminal.py <columns> <program> <arguments…>. Prints what the terminal got.

Lines on standard input are typed, each once the terminal shows what stands before its tab: "<wait for>\t<type>".
"""
import fcntl, os, pty, select, signal, struct, sys, termios

columns, command = int(sys.argv[1]), sys.argv[2:]
script = [line.rstrip("\n").split("\t", 1) for line in sys.stdin]
child, terminal = pty.fork()
if child == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    os.execvp(command[0], command)
signal.alarm(25)
output = b""
while True:
    while script and script[0][0].encode() in output:
        os.write(terminal, script.pop(0)[1].encode().decode("unicode_escape").encode())
    select.select([terminal], [], [])
    try:
        data = os.read(terminal, 65536)
    except OSError:
        break
    if not data:
        break
    output += data
_, status = os.waitpid(child, 0)
sys.stdout.buffer.write(output)
sys.exit(os.waitstatus_to_exitcode(status))
