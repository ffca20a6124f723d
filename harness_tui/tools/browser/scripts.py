"""What runs inside the page: small read-only scripts. Each takes one argument and returns plain data or elements."""

from __future__ import annotations

_MATCHES = """
const matches = (el, css) => { try { return el.matches(css); } catch { return false; } };
const one = (root, css) => { try { return root.querySelector(css); } catch { return null; } };
const line = (text) => (text || '').replace(/\\s+/g, ' ').trim();
const shown = (el) => el.checkVisibility({ checkVisibilityCSS: true, visibilityProperty: true });
"""

DESCRIBE = f"""(el, {{ allow, approve, row, arrows }}) => {{ {_MATCHES}
  const ACTS = 'a[href], area[href], button, input, select, textarea, summary, label, [onclick], [role=button]';
  const SUBMITS = 'button:not([type=button]):not([type=reset]), input[type=submit], input[type=image]';
  el.scrollIntoView({{ block: 'nearest', inline: 'nearest' }});
  const box = el.getBoundingClientRect();
  const hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  // The control that a click in the middle of `el` really reaches: inside it, itself, or around it.
  const inner = hit && el !== hit && el.contains(hit) ? hit.closest(ACTS) : null;
  const actor = inner && el.contains(inner) && inner !== el ? inner : null;
  const control = actor || el.closest(ACTS) || el;
  const free = (css) => matches(el, css) && (!actor || matches(actor, css));
  const link = control.closest('a[href], area[href]');
  const submit = matches(control, SUBMITS) && control.form ? control : null;
  const href = link && new URL(link.getAttribute('href'), document.baseURI).href;
  const said = (node) => node && (line(node.innerText) || line(node.getAttribute('aria-label')) ||
    line(node.getAttribute('title')) || line(node.getAttribute('alt')));
  const field = matches(el, 'input:not([type=submit]):not([type=button]):not([type=image]), textarea, select');
  const label = field ? line(el.labels?.[0]?.innerText) || el.name || el.placeholder || el.id
    : matches(el, 'input') ? el.value : said(el) || said(el.querySelector('[title], [alt], [aria-label]'));
  const story = row ? [...document.querySelectorAll(row)].indexOf(el.closest(row)) : -1;
  return {{
    tag: el.localName, type: field ? el.type : '', text: line(label).slice(0, 120),
    href, target: link ? link.target : '',
    method: submit ? (submit.getAttribute('formmethod') || submit.form.getAttribute('method') || 'get') : '',
    action: submit
      ? new URL(submit.getAttribute('formaction') || submit.form.getAttribute('action') || location.href,
        document.baseURI).href : '',
    allowed: allow.some(free), approved: approve.findIndex(free),
    story: story >= 0 ? story : arrows.findIndex((css) => css && matches(el, css)),
  }};
}}"""

LINKS = """(nodes, allow) => {
  const free = (el) => allow.some((css) => { try { return el.matches(css); } catch { return false; } });
  const out = [];
  for (const el of nodes) {
    const raw = el.getAttribute('href') ?? el.getAttribute('xlink:href') ?? el.getAttribute('formaction')
      ?? (el.localName === 'form' ? el.getAttribute('action') : null);
    if (raw === null || free(el)) continue;
    try { out.push(new URL(raw, document.baseURI).href); } catch { continue; }
  }
  return [...new Set(out)];
}"""

ROWS = f"""({{ row, title, css, attribute }}) => {{ {_MATCHES}
  return [...document.querySelectorAll(row)].map((el) => {{
    const source = css ? one(el, css) : el;
    return {{ title: line(one(el, title)?.textContent), raw: source?.getAttribute(attribute) ?? '' }};
  }});
}}"""

STATES = f"""({{ row, wanted }}) => {{ {_MATCHES}
  const rows = [...document.querySelectorAll(row)];
  const find = (el, {{ css, scoped }}) => !css ? null : scoped ? one(el, css) : one(document, css);
  return wanted.map(({{ arrow, voted }}, index) => {{
    const el = rows[index];
    if (!el) return {{ present: false, hidden: false, voted: false }};
    const node = find(el, arrow);
    const mark = find(el, voted) || (voted.scoped && (matches(el, voted.css) || (node && matches(node, voted.css))));
    const hidden = !!node && (!shown(node) || node.classList.contains('nosee'));
    return {{ present: !!node, hidden, voted: !!mark }};
  }});
}}"""

STATE = f"""(nodes, {{ name, text }}) => {{ {_MATCHES}
  return {{
    count: nodes.length, shown: nodes.filter(shown).length,
    named: nodes.some((el) => el.classList.contains(name)),
    said: !!text && nodes.some((el) => (el.innerText ?? el.textContent ?? '').includes(text)),
  }};
}}"""

LOGIN_FORM = f"""({{ user, password, submit }}) => {{ {_MATCHES}
  const all = (css) => [...document.querySelectorAll(css)].filter(shown);
  for (const button of all(submit)) {{
    const form = button.form ?? button.closest('form');
    const within = (css) => all(css).find((el) => (el.form ?? el.closest('form')) === form);
    const fields = {{ user: within(user), password: within(password) }};
    if (!fields.user || !fields.password) continue;
    const action = button.getAttribute('formaction') || form?.getAttribute('action') || location.href;
    return {{ ...fields, submit: button, action: new URL(action, document.baseURI).href }};
  }}
  return {{}};
}}"""

SECRET_FIELDS = """(all, secrets) => all.flatMap((el, index) => {
  const PLAIN = ['button', 'checkbox', 'color', 'file', 'hidden', 'image', 'radio', 'range', 'reset', 'submit'];
  if (PLAIN.includes(el.type) || !el.value) return [];
  const said = ['name', 'id', 'autocomplete', 'placeholder', 'aria-label'].map((name) => el.getAttribute(name) || '');
  const label = [...(el.labels || [])].map((each) => each.innerText);
  const named = /passw|passphrase|passcode|pwd|\\bpw\\d?\\b|one-time-code/i.test([...said, ...label].join(' '));
  const dotted = getComputedStyle(el).webkitTextSecurity !== 'none';
  return named || dotted || secrets.some((secret) => el.value.includes(secret)) ? [[index, el.value]] : [];
})"""
"""[index, value] of the fields that hold a password: by type or style, by name, or by what stands in them."""

BAD_SELECTORS = """(all) => all.map((css) => {
  try { document.createDocumentFragment().querySelector(css); return ''; } catch { return css; }
}).filter(Boolean)"""
