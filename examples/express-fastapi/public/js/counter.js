import { Card } from './card.js'
import { Closed, Guest } from './guest.js'

const PATH = '/api/counter'

/** The counter of the shop: this tab is a guest from the start, another one joins when it is wanted. */
export function counter() {
  const card = new Card('counter')
  const { text } = card.form.elements

  const guestAt = (name) =>
    new Guest(card.element.querySelector(`[data-guest="${name}"]`), (leaves) =>
      attempt(async () => (leaves ? guests[name].leave('off to work') : enter(guests[name]))),
    )
  const guests = { tab: guestAt('tab'), other: guestAt('other') }
  const { tab, other } = guests

  for (const [name, who] of Object.entries(guests)) {
    who.onNews = (news) => {
      card.field(`${name}-count`).textContent = who.count
      card.field('guests').textContent = news.guests
    }
    who.onClosed = ({ code, message, isMistake }) => {
      if (!tab.isOpen && !other.isOpen) card.field('guests').textContent = '–'
      card.exchange.closed(code, message, { isMistake })
    }
  }

  const enter = async (who) => {
    card.exchange.sending('WS', PATH)
    const asked = performance.now()
    await who.join()
    card.exchange.streaming('101 Switching Protocols', performance.now() - asked)
  }

  const send = async (who, message) => {
    if (!who.isOpen) await enter(who)
    card.exchange.sending('WS', `${PATH} ← ${message}`)
    const sent = performance.now()
    const heard = who.hears(saidBy(who))
    who.send(message)
    const news = await heard
    card.exchange.streaming(
      news.guests === 1 ? 'heard by 1 guest' : `heard by ${news.guests} guests`,
      performance.now() - sent,
    )
    card.exchange.body(news)
  }
  const say = (who, words) => send(who, JSON.stringify({ text: words }))

  /** A close is on the card by then. */
  const attempt = (action) =>
    card.attempt(async () => {
      try {
        await action()
      } catch (error) {
        if (!(error instanceof Closed)) throw error
      }
    })

  card.onSubmit(() => attempt(() => say(tab, text.value)))
  card.onClick('[data-action="send-as-other"]', () => attempt(() => say(other, text.value)))
  card.onClick('[data-preset="bad"]', () => attempt(() => send(tab, '{"text":3}')))
  card.exchange.preview('WS', PATH)
  void attempt(() => enter(tab))

  return () =>
    attempt(async () => {
      if (!tab.isOpen) await enter(tab)
      if (!other.isOpen) await enter(other)
      const { name } = other
      await Promise.all([other.hears(saidBy(tab)), say(tab, 'A pot of Sencha, please.')])
      await Promise.all([tab.hears(saidBy(other)), say(other, 'Make it two.')])
      const left = tab.hears(({ event, guest }) => event === 'left' && guest === name)
      other.leave('off to work')
      await left
    })
}

const saidBy =
  (who) =>
  ({ event, guest }) =>
    event === 'said' && guest === who.name
