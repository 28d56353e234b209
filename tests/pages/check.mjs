// Looks at rendered pages in Debian's Chromium: node check.mjs PAGES [--shots FOLDER] [--only TEXT]
//
// For every page, at three widths, in light and dark, and as far as it can be seen there on paper: no request but for the page itself, no word on the
// console, no script and nothing that could become one, no dialog, nothing wider than the window, no words of a
// drawing on one another, no violation known to axe. With --shots: pictures of each, and of paper (A4 and Letter) by pdftoppm.
//
// That each of these checks can fail is shown first, on a page that is wrong in every way.

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { chromium } from 'playwright-core'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const widths = [360, 820, 1440]
const schemes = ['light', 'dark']
// Between the margins of style.css, at 96 pixels an inch.
const papers = { A4: 688, Letter: 710 }

const given = process.argv.slice(2)
const option = name => (given.includes(name) ? given.splice(given.indexOf(name), 2)[1] : null)
const shots = option('--shots')
const only = option('--only')
const folder = resolve(given[0] ?? '.')

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: process.getuid() === 0 ? ['--no-sandbox'] : [],
})

// What is wrong with one page, as sentences. It is loaded once; window and scheme change under it.
async function problems(file, sizes, shot) {
  const found = []
  const context = await browser.newContext({ reducedMotion: 'reduce' })
  const page = await context.newPage()
  const address = pathToFileURL(file).href
  page.on('console', said => found.push(`console ${said.type()}: ${said.text().slice(0, 200)}`))
  page.on('pageerror', error => found.push(`error: ${error.message.slice(0, 200)}`))
  page.on('request', request => request.url() !== address && !request.url().startsWith('data:') && found.push(`request: ${request.url().slice(0, 200)}`))
  page.on('dialog', dialog => { found.push('dialog'); dialog.dismiss() })
  await page.goto(address)
  found.push(...await page.evaluate(insideOf))
  await page.evaluate(axe)
  for (const { width, scheme, withAxe } of sizes) {
    const here = problem => found.push(`${width} ${scheme}: ${problem}`)
    await page.setViewportSize({ width, height: 900 })
    await page.emulateMedia({ colorScheme: scheme })
    for (const problem of await page.evaluate(tooWide)) here(problem)
    for (const problem of [...await page.evaluate(overlapping), ...await page.evaluate(broken)]) here(problem)
    if (withAxe) {
      await page.evaluate(() => document.querySelectorAll('details').forEach(details => { details.open = true }))
      const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }))
      for (const violation of violations)
        here(`axe ${violation.id} (${violation.impact}) ${violation.nodes.length} times: ${violation.nodes[0].html.slice(0, 160)} ${violation.nodes[0].failureSummary.split('\n')[1] ?? ''}`)
      await page.evaluate(() => document.querySelectorAll('details').forEach(details => { details.open = false }))
    }
    if (shot) {
      mkdirSync(dirname(shot), { recursive: true })
      await page.screenshot({ path: `${shot}-${width}-${scheme}.png`, fullPage: true })
    }
  }
  for (const [paper, width] of Object.entries(papers)) {
    await page.setViewportSize({ width, height: 900 })
    await page.emulateMedia({ media: 'print', colorScheme: 'light' })
    for (const problem of [...await page.evaluate(tooWide), ...await page.evaluate(overlapping), ...await page.evaluate(broken)]) found.push(`on ${paper}: ${problem}`)
  }
  if (shot) {
    await page.emulateMedia({ media: null, colorScheme: 'light' })
    for (const format of ['A4', 'Letter']) {
      await page.pdf({ path: `${shot}-${format}.pdf`, format, printBackground: false })
      execFileSync('pdftoppm', ['-r', '60', '-png', `${shot}-${format}.pdf`, `${shot}-${format}`])
    }
  }
  await context.close()
  return found
}

// Runs inside the page: what is there that should not be.
function insideOf() {
  const found = []
  if (window.hostile !== undefined) found.push(`a script ran: ${window.hostile}`)
  for (const kind of ['script', 'iframe', 'object', 'embed', 'form', 'input', 'base', 'img', 'template', 'foreignObject', 'animate', 'set', 'use', 'image'])
    for (const element of document.querySelectorAll(kind)) found.push(`<${kind}> is there: ${element.outerHTML.slice(0, 120)}`)
  for (const element of document.querySelectorAll('*'))
    for (const { name, value } of element.attributes) {
      if (name.startsWith('on') || name === 'style' || name === 'srcdoc') found.push(`attribute ${name}: ${value.slice(0, 80)}`)
      if (/^\s*(javascript|vbscript):/i.test(value)) found.push(`${name} is a script: ${value.slice(0, 80)}`)
      if (name === 'href' && /^[a-z]+:/i.test(value) && !value.startsWith('data:image/svg+xml,')) found.push(`a link leads outside: ${value.slice(0, 80)}`)
      if (name === 'href' && value.startsWith('#') && !document.getElementById(value.slice(1))) found.push(`a link leads nowhere: ${value}`)
    }
  if (document.querySelectorAll('link').length !== 1 || document.querySelectorAll('style').length !== 1) found.push('more than one style or link')
  if (document.querySelectorAll('head meta').length !== 6 || document.querySelectorAll('meta').length !== 6) found.push(`${document.querySelectorAll('meta').length} meta`)
  if (!document.querySelector('meta[http-equiv="Content-Security-Policy"]')) found.push('no policy')
  if (document.querySelectorAll('h1').length !== 1) found.push(`${document.querySelectorAll('h1').length} h1`)
  if (!getComputedStyle(document.body).fontFamily.includes('Arial')) found.push('the style is not in force')
  return found
}

// Runs inside the page: what does not fit the window.
function tooWide() {
  const wide = document.documentElement.scrollWidth - window.innerWidth
  if (wide <= 0) return []
  const beyond = element => element.getBoundingClientRect().right > window.innerWidth + 1 && !element.closest('.scroll')
  const culprit = [...document.querySelectorAll('main *')].find(beyond)
  return [`wider than the window by ${wide}: ${culprit?.outerHTML.slice(0, 100)}`]
}

// Runs inside the page: words of a drawing that stand on one another, or under a mark.
function overlapping() {
  const found = []
  const drawings = new Map()
  for (const element of document.querySelectorAll('svg text, svg.numbered > circle, svg.numbered > rect, .plot .ticks li > *')) {
    const isMark = !element.matches('text, li > *')
    if (!isMark && element.closest('svg.numbered')) continue
    const { left, top, right, bottom, width } = element.getBoundingClientRect()
    if (width === 0 || getComputedStyle(element).visibility === 'hidden') continue
    let drawing = element.closest('.plot') ?? element.closest('svg')
    while (drawing.parentElement.closest('svg')) drawing = drawing.parentElement.closest('svg')
    if (!drawings.has(drawing)) drawings.set(drawing, [])
    // A line's box is higher than its letters.
    const text = isMark ? `mark ${element.parentElement.textContent}` : element.textContent
    drawings.get(drawing).push({ text, box: isMark ? [left + 1, top + 1, right - 1, bottom - 1] : [left, top + 3, right, bottom - 3] })
  }
  for (const pieces of drawings.values())
    for (const [at, one] of pieces.entries())
      for (const other of pieces.slice(at + 1)) {
        const [a, b] = [one.box, other.box]
        if (a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]) found.push(`“${one.text}” and “${other.text}” overlap`)
      }
  return found
}

// Runs inside the page: numbers that are broken in two.
function broken() {
  const found = []
  for (const cell of document.querySelectorAll('td.figure, td.cell, dd')) {
    const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT)
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const number = node.textContent.trim()
      if (!/^[−+]?[\d.,]+%?$/.test(number)) continue
      const range = document.createRange()
      range.selectNodeContents(node)
      if (new Set([...range.getClientRects()].filter(line => line.width > 1).map(line => Math.round(line.top))).size > 1) found.push(`the number ${number} is broken`)
    }
  }
  return found
}

function htmlFiles(of) {
  return readdirSync(of).sort().flatMap(name => {
    const path = join(of, name)
    return statSync(path).isDirectory() ? htmlFiles(path) : name.endsWith('.html') ? [path] : []
  })
}

// ---- the checks can fail -----------------------------------------------------------------------------------

const wrong = join(mkdtempSync(join(tmpdir(), 'pages-')), 'wrong.html')
writeFileSync(wrong, `<!doctype html><html><head><title></title></head><body><h1>a</h1><h1>b</h1><script>window.hostile = 1; console.log('x'); setTimeout(() => { throw new Error('y') })</script>
<img src="file:///nowhere.png"><a href="javascript:1" onclick="2" style="color:#eee">low contrast</a><iframe srcdoc="z"></iframe><a href="#none">nowhere</a><p style="width:3000px">wide</p><table><tr><td class="figure" style="width:1px;overflow-wrap:anywhere;display:block">3,568</td></tr></table><svg><text y="20">one</text><text y="22">other</text></svg></body></html>`)
const seen = (await problems(wrong, [{ width: 820, scheme: 'light', withAxe: true }], null)).join('\n')
for (const word of ['a script ran', 'console', 'request', '<script>', '<iframe>', 'attribute on', 'attribute style', 'is a script', 'leads outside', 'leads nowhere', 'meta', 'no policy', '2 h1', 'not in force', '820 light: wider', 'on A4: wider', '“one” and “other” overlap', '3,568 is broken', 'axe'])
  if (!seen.includes(word)) { console.error(`a wrong page passes: "${word}" was not said\n${seen}`); process.exit(1) }

// ---- the pages ---------------------------------------------------------------------------------------------

let failed = 0
const files = htmlFiles(folder).filter(file => !only || relative(folder, file).includes(only))
if (files.length === 0) { console.error(`no page in ${folder}`); process.exit(1) }
const sheetsSeen = new Set()
for (const file of files) {
  const name = relative(folder, file)
  // Sheets of one world differ in their words only: the first is looked at in every size, the others in one.
  const kind = name.replace(/stores\/(?!index).*/, 'stores/sheet')
  const isFirst = !sheetsSeen.has(kind)
  sheetsSeen.add(kind)
  const sizes = isFirst
    ? widths.flatMap(width => schemes.map(scheme => ({ width, scheme, withAxe: width !== 820 })))
    : [{ width: 360, scheme: 'light', withAxe: name.startsWith('hostile') }]
  const shot = shots && join(resolve(shots), name.replace(/\.html$/, ''))
  for (const problem of new Set(await problems(file, sizes, shot))) { console.error(`${name}: ${problem}`); failed += 1 }
}
await browser.close()
console.log(`${files.length} pages, ${widths.length} widths, ${schemes.length} schemes, paper: ${failed} problems`)
process.exit(failed ? 1 : 0)
