const lines = [
  { sku: 'tea', price: 3.2, count: 2 },
  { sku: 'coffee', price: 4.5, count: 1 },
]

function total(country) {
  let sum = 0
  for (const { price, count } of lines) {
    sum += price * count
  }
  return sum * (1 + rate(country))
}

// What a script gives is the value of its last statement.
total('CH').toFixed(2)
