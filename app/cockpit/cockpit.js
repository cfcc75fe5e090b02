// Lists the latest events and what became of them, every two seconds while somebody looks.
const SERVICE = '/odata/v4/cockpit'
const REFRESH_MS = 2000
const SHOWN = 50
const STATES = ['waiting', 'done', 'skipped', 'dead', 'unsure']

const at = new Intl.DateTimeFormat(undefined, { dateStyle: 'short', timeStyle: 'medium' })
const element = (id) => document.getElementById(id)

async function read(path) {
  // A page opened with credentials in its address may not fetch relative to that address.
  const response = await fetch(new URL(`${SERVICE}/${path}`, location.origin), {
    headers: { accept: 'application/json' },
  })
  if (response.status === 403) throw new Error('You need the role SluiceViewer to see events.')
  // A router answers with its log-on page where the session has ended.
  const isJson = response.headers.get('content-type')?.includes('json')
  if (response.status === 401 || (response.ok && !isJson)) {
    throw new Error('You are not logged on any more. Reload the page to log on again.')
  }
  if (!response.ok) throw new Error(`The service answered ${response.status}.`)
  return (await response.json()).value
}

const cell = (row, text) => {
  row.insertCell().textContent = text ?? ''
}

function stateCell(row, event) {
  const target = row.insertCell()
  for (const { subscription, status, reason, attempts } of event.dispatches) {
    const line = document.createElement('span')
    line.className = `state ${status}`
    line.textContent = `${subscription}: ${status}${reason ? ` (${reason})` : ''}${attempts > 1 ? `, ${attempts} attempts` : ''}`
    target.append(line)
  }
  if (event.unrouted) {
    target.className = 'unrouted'
    target.textContent = 'unrouted'
  }
}

function showEvents(events) {
  const rows = events.map((event) => {
    const row = document.createElement('tr')
    cell(row, at.format(new Date(event.receivedAt)))
    cell(row, event.origin)
    cell(row, event.type)
    cell(row, event.subject)
    stateCell(row, event)
    return row
  })
  element('events').replaceChildren(...rows)
  element('empty').hidden = rows.length > 0
}

/** Counted over what is shown: a count over a million dispatches every two seconds would be paid by intake. */
function showCounts(events) {
  const dispatches = events.flatMap((event) => event.dispatches)
  const count = (status) => dispatches.filter((dispatch) => dispatch.status === status).length
  const counts = STATES.map((status) => `${count(status)} ${status}`).join(' · ')
  // Fewer are all there are.
  element('counts').textContent = events.length < SHOWN ? counts : `Of the latest ${SHOWN} events: ${counts}`
}

async function refresh() {
  try {
    const expand = 'dispatches($select=ID,subscription,status,reason,attempts)'
    const events = await read(`Events?$orderby=event desc&$top=${SHOWN}&$expand=${expand}`)
    showEvents(events)
    showCounts(events)
    element('problem').hidden = true
  } catch (error) {
    element('problem').textContent = error.message
    element('problem').hidden = false
  }
  setTimeout(() => (document.hidden ? waitUntilSeen() : refresh()), REFRESH_MS)
}

function waitUntilSeen() {
  document.addEventListener('visibilitychange', refresh, { once: true })
}

refresh()
