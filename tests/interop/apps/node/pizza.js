'use strict';
// A pizza service by text: npm's tropo-webapi on node's own web server.
//
//     HOST=127.0.0.1 PORT=8000 MESSAGING_TOKEN=... TROPO=http://127.0.0.1:8089 node --require ./elsewhere.js pizza.js

const http = require('node:http');
const https = require('node:https');
const { TropoWebAPI, TropoJSON } = require('tropo-webapi');
const { TropoSession } = require('tropo-webapi/lib/tropo-session');
// `Result` is called without `new`, as the library's samples call it: with it, it misses a variable of its own.
const { Choices, Result, Say, Session } = require('tropo-webapi/lib/base');

const NUMBER = '+15555550100';

// The sessions that wait for the oven.
const baking = new Set();

// What Tropo posts, by path.
const webhooks = {
  // Somebody texts us, or the oven began this session to text somebody.
  '/': (tropo, body) => {
    const session = new Session(body);
    if (session.parameters) return text(tropo, session.parameters.phone, session.parameters.words);
    const [word, phone] = session.initialText.trim().split(/\s+/);
    switch (word.toUpperCase()) {
      case 'MENU':
        tropo.say('Margherita 8 €, Quattro Stagioni 11 €. Buon appetito! 🍕');
        break;
      case 'GIFT':
        text(tropo, phone, 'You have won a pizza from ' + session.from.id + ' — piping hot!');
        tropo.say('Your friend will be pleased.');
        break;
      case 'ORDER':
        // ORDER itself is the first answer, which fits no choice: the question is put at the second attempt.
        ask(tropo, 'count', '[1 DIGITS]', 3, new Say('How many pizzas?', null, [
          { event: 'nomatch:2', value: 'One digit, please.' },
        ]));
        then(tropo, '/size');
        break;
      case 'STOP':
        tropo.hangup();
        break;
      default:
        tropo.say('Text MENU, ORDER, GIFT and a phone, or STOP.');
    }
  },
  '/size': (tropo, body) => {
    const count = Result(body).value;
    ask(tropo, 'size', 'small(s, piccola), large(l, grande)', 1, new Say(count + ' pizzas: small or large?'));
    then(tropo, '/oven?count=' + count);
  },
  '/oven': (tropo, body, query) => {
    const { value, utterance, sessionId } = Result(body);
    tropo.say(`${query.get('count')} × ${value} (${utterance}): they are in the oven.`);
    baking.add(sessionId);
    tropo.wait(60000, 'done');
    tropo.on('done', null, '/done');
    tropo.on('continue', null, '/done?burnt=yes');
  },
  '/done': (tropo, body, query) => {
    baking.delete(Result(body).sessionId);
    tropo.say(query.get('burnt') ? 'Your pizzas are burnt.' : 'Your pizzas are on their way!');
  },
  '/lost': (tropo, body) => {
    tropo.say('We did not understand you (' + Result(body).disposition + '). Text ORDER to try again.');
  },
};

// What the oven asks of us, by path. It answers the oven with a word about what Tropo said.
const orders = {
  '/': (query, answer) => answer('ready'),
  // Somebody's pizza is ready who is in no session: begin one.
  '/ready': (query, answer) => {
    const session = new TropoSession();
    session.once('responseCode', (status) => answer('launched: ' + status));
    const words = 'Your pizza is ready; it is hot!';
    session.makeApiCall(process.env.MESSAGING_TOKEN, { phone: query.get('phone'), words });
  },
  // Some wait for theirs in a session: interrupt that.
  '/done': (query, answer) => {
    for (const session of baking) signal(session, 'done');
    answer('signalled: ' + baking.size);
  },
};

function text(tropo, phone, words) {
  tropo.message(words, phone, null, 'TEXT', NUMBER, null, 'SMS');
}

function signal(session, name) {
  const path = `/1.0/sessions/${session}/signals?action=signal&value=${name}`;
  https.request({ hostname: 'api.tropo.com', path }).end();
}

function ask(tropo, name, choices, attempts, say) {
  tropo.ask(new Choices(choices), attempts, null, null, name, null, true, say, 30);
}

function then(tropo, next) {
  tropo.on('continue', null, next);
  tropo.on('incomplete', null, '/lost');
}

http.createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost');
  const page = (request.method === 'POST' ? webhooks : orders)[url.pathname];
  if (!page) return response.writeHead(404).end();
  if (request.method !== 'POST') return page(url.searchParams, (words) => response.end(words));
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const tropo = new TropoWebAPI();
    page(tropo, Buffer.concat(parts).toString(), url.searchParams);
    response.writeHead(200, { 'Content-Type': 'application/json; charset=utf-8' });
    response.end(TropoJSON(tropo));
  });
}).listen(Number(process.env.PORT), process.env.HOST);
