// The perceptron with one hidden layer, by hand, with the homework's names.
//
//   h_tilde = W_h x + b_h        h     = tanh(h_tilde)
//   y_tilde = W_y h + b_y        y_hat = softmax(y_tilde)
//
// An example x is a list of n_x numbers, its target y a one-hot list of n_y; a batch is a list of {x, y}. The loss is the
// cross-entropy, averaged over the batch. Parameters are {W_h, b_h, W_y, b_y}: matrices are lists of rows.

export const PARAMETERS = ["W_h", "b_h", "W_y", "b_y"];

export const dot = (a, b) => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
};
const zeros = (count) => new Array(count).fill(0);
const argmax = (values) => values.reduce((best, value, i) => (value > values[best] ? i : best), 0);

// Question 7: every intermediate result, from x to y_hat. `removed` names hidden units whose h is held at 0.
export function forward({ W_h, b_h, W_y, b_y }, x, removed = null) {
  const h_tilde = W_h.map((row, j) => dot(row, x) + b_h[j]);
  const h = h_tilde.map((value, j) => (removed?.has(j) ? 0 : Math.tanh(value)));
  const y_tilde = W_y.map((row, i) => dot(row, h) + b_y[i]);
  const largest = Math.max(...y_tilde);
  const e = y_tilde.map((value) => Math.exp(value - largest));
  const sum = e.reduce((a, b) => a + b, 0);
  return { x, h_tilde, h, y_tilde, y_hat: e.map((value) => value / sum) };
}

// Question 14: the loss of one example, -y · y_tilde + log Σ exp y_tilde.
export function crossEntropy(y_tilde, y) {
  const largest = Math.max(...y_tilde);
  const sum = y_tilde.reduce((total, value) => total + Math.exp(value - largest), 0);
  return largest + Math.log(sum) - dot(y, y_tilde);
}

// Questions 15 to 17: the gradients of the averaged loss with respect to y_tilde and h_tilde of one example of a batch.
export function backwardExample({ W_y }, { h, y_hat }, y, batchSize) {
  const grad_y_tilde = y_hat.map((value, i) => (value - y[i]) / batchSize);
  const grad_h_tilde = h.map((value, j) => {
    let sum = 0;
    for (let i = 0; i < W_y.length; i++) sum += grad_y_tilde[i] * W_y[i][j];
    return sum * (1 - value * value);
  });
  return { grad_y_tilde, grad_h_tilde };
}

// The gradient of each parameter: sums over the examples of the batch.
export function backward(params, batch) {
  const grads = {
    W_h: params.W_h.map((row) => zeros(row.length)),
    b_h: zeros(params.b_h.length),
    W_y: params.W_y.map((row) => zeros(row.length)),
    b_y: zeros(params.b_y.length),
  };
  for (const { x, y } of batch) {
    const outputs = forward(params, x);
    const { grad_y_tilde, grad_h_tilde } = backwardExample(params, outputs, y, batch.length);
    addOuter(grads.W_h, grads.b_h, grad_h_tilde, x);
    addOuter(grads.W_y, grads.b_y, grad_y_tilde, outputs.h);
  }
  return grads;
}

function addOuter(W, b, grad, input) {
  for (let i = 0; i < grad.length; i++) {
    for (let k = 0; k < input.length; k++) W[i][k] += grad[i] * input[k];
    b[i] += grad[i];
  }
}

// One step down the gradient: new parameters.
export function sgd(params, grads, eta) {
  const down = (value, grad) => (Array.isArray(value) ? value.map((v, i) => down(v, grad[i])) : value - eta * grad);
  return Object.fromEntries(PARAMETERS.map((name) => [name, down(params[name], grads[name])]));
}

// The averaged loss and the accuracy of a split.
export function measure(params, split, removed = null) {
  let loss = 0;
  let right = 0;
  for (const { x, y } of split) {
    const { y_tilde } = forward(params, x, removed);
    loss += crossEntropy(y_tilde, y);
    if (y[argmax(y_tilde)] === 1) right += 1;
  }
  return { loss: loss / split.length, accuracy: right / split.length };
}
