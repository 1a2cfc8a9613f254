'use strict';
(() => {
  const base = document.body.dataset.base;
  const state = document.getElementById('state');
  const result = document.getElementById('result');
  const live = document.getElementById('live');
  const waiting = {
    restart: 'Restarting; waiting for the new process to be ready.',
    rollback: 'Going back; waiting for the old process to serve.',
    shutdown: 'Asking the server to shut down.',
  };
  const forms = document.querySelectorAll('form[data-action]');
  let asking = false;

  const say = (kind, text) => {
    result.className = kind;
    result.textContent = text;
  };

  // The server renders the state; what the reader has opened or focused stays so.
  const show = (html) => {
    const open = [...state.querySelectorAll('details[open]')].map((d) => d.id);
    const active = document.activeElement;
    const focused = state.contains(active) && active.closest('details');
    state.innerHTML = html;
    for (const id of open) {
      const d = id && document.getElementById(id);
      if (d) d.open = true;
    }
    const again = focused && document.getElementById(focused.id);
    if (again) again.querySelector('summary').focus();
  };

  const refresh = async () => {
    if (asking || document.hidden) return;
    asking = true;
    try {
      const answer = await fetch(base + '/status?view=html', { cache: 'no-store' });
      if (!answer.ok) throw new Error('status ' + answer.status);
      show(await answer.text());
      live.textContent = 'Renewed every two seconds.';
      live.className = 'soft';
      state.className = '';
    } catch (e) {
      live.textContent = 'No answer from the server (' + e.message + '); trying again.';
      live.className = 'bad';
      state.className = 'old';
    } finally {
      asking = false;
    }
  };

  const act = async (form) => {
    const action = form.dataset.action;
    const buttons = document.querySelectorAll('button');
    buttons.forEach((b) => { b.disabled = true; });
    say('wait', waiting[action]);
    try {
      const answer = await fetch(form.action, {
        method: 'POST',
        headers: { Accept: 'application/json' },
        body: new URLSearchParams(new FormData(form)),
      });
      const told = await answer.json();
      const lines = (told.receipt && told.receipt.last_lines) || [];
      say(told.ok ? 'good' : 'bad',
          told.ok ? told.message : ['Not done: ' + told.reason, ...lines].join('\n'));
    } catch (e) {
      say('bad', 'No answer: ' + e.message);
    }
    buttons.forEach((b) => { b.disabled = false; });
    refresh();
  };

  forms.forEach((form) => form.addEventListener('submit', (event) => {
    event.preventDefault();
    act(form);
  }));
  live.textContent = 'Renewed every two seconds.';
  setInterval(refresh, 2000);
})();
