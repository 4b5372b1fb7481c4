'use strict';
// A pizza service by text: npm's tropo-webapi on node's own web server.
//
//     HOST=127.0.0.1 PORT=8000 MESSAGING_TOKEN=... TROPO=http://127.0.0.1:8089 node --require ./elsewhere.js pizza.js

const http = require('node:http');
const { TropoWebAPI, TropoJSON } = require('tropo-webapi');
const { TropoSession } = require('tropo-webapi/lib/tropo-session');
const { Choices, Result, Say, Session } = require('tropo-webapi/lib/base');

const NUMBER = '+15555550100';

// Someone texts us, or the oven (see below) begins a session of its own.
function begin(tropo, body) {
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
      // The text that began the session answers the first question, so that one only takes it.
      tropo.ask('[ANY]', null, null, null, 'word', null, false, '…');
      break;
    case 'STOP':
      tropo.hangup();
      break;
    default:
      tropo.say('Text MENU, ORDER, GIFT and a phone, or STOP.');
  }
}

function text(tropo, phone, words) {
  tropo.message(words, phone, null, 'TEXT', NUMBER, null, 'SMS');
}

const pages = { '/': begin };

const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost');
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    if (request.method === 'GET') return other(url, response);
    const tropo = new TropoWebAPI();
    pages[url.pathname](tropo, Buffer.concat(parts).toString());
    response.writeHead(200, { 'Content-Type': 'application/json; charset=utf-8' });
    response.end(TropoJSON(tropo));
  });
});

// The oven tells us that a pizza is done: `GET /oven?phone=+15555550177`.
function other(url, response) {
  if (url.pathname !== '/oven') return response.end('ready');
  const session = new TropoSession();
  session.on('responseCode', (status) => response.end('launched: ' + status));
  const words = 'Your pizza is ready; it is hot!';
  session.makeApiCall(process.env.MESSAGING_TOKEN, { phone: url.searchParams.get('phone'), words });
}

server.listen(Number(process.env.PORT), process.env.HOST);
