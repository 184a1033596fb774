const show = (id, text) => {
  document.getElementById(id).textContent = text
}

const get = async (path) => (await fetch(path)).json()
show('hello', (await get('/api/hello')).message)
show('user', (await get('/api/me')).user)

const events = new EventSource('/api/events')
events.addEventListener('message', ({ data }) => show('event', data))

const socket = new WebSocket('/api/chat')
socket.addEventListener('open', () => socket.send('hello'))
socket.addEventListener('message', ({ data }) => show('chat', data))
