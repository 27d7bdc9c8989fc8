import Documents
import Foundation

/// Writes a page as one HTML file and keeps what its parts share.
public struct PageWriter {
  private var count = 0
  private var names: [String] = []
  private var places: [String: Int] = [:]

  public init() {}

  /// A number that no other part of the page has.
  mutating func nextNumber() -> Int {
    count += 1
    return count
  }

  /// Where the page keeps a name of spans, which thousands of them may share.
  mutating func place(of name: String) -> Int {
    if let place = places[name] { return place }
    places[name] = names.count
    names.append(name)
    return names.count - 1
  }

  mutating func html(_ blocks: [ReportBlock]) -> String {
    blocks.map { html($0) }.joined(separator: "\n")
  }

  private mutating func html(_ block: ReportBlock) -> String {
    switch block {
    case .text(let paragraphs):
      return paragraphs.map { "<p>\(Markup.escaped($0))</p>" }.joined()
    case .picture(let picture): return picture.html(&self)
    case .table(let table): return table.html(&self)
    case .choice(let choice): return html(choice)
    case .folded(let title, let lines): return Self.folded(title, lines)
    }
  }

  private mutating func html(_ choice: ReportChoice) -> String {
    let number = nextNumber()
    guard choice.options.count > 1 else { return choice.options.map { html($0.blocks) }.joined() }
    var text = "<div class=\"choice\""
    if let identifier = choice.identifier { text += Markup.attribute("data-choice", identifier) }
    text += "><p class=\"tools\"><label for=\"c\(number)\">\(Markup.escaped(choice.title))</label> "
    text += "<select id=\"c\(number)\">"
    for (index, option) in choice.options.enumerated() {
      text += "<option\(index == choice.first ? " selected" : "")>"
      text += Markup.escaped(option.name) + "</option>"
    }
    text += "</select></p>\n"
    for (index, option) in choice.options.enumerated() {
      text += "<div class=\"option\"\(index == choice.first ? "" : " hidden")>"
      text += html(option.blocks) + "</div>\n"
    }
    return text + "</div>"
  }

  static func folded(_ title: String, _ lines: [String]) -> String {
    guard !lines.isEmpty else { return "" }
    return "<details><summary>\(Markup.escaped(title))</summary><ul class=\"lines\">"
      + lines.map { "<li>\(Markup.escaped($0))</li>" }.joined() + "</ul></details>"
  }

  /// The names as a JSON list.
  package var namesJSON: String { "[" + names.map(traceString).joined(separator: ",") + "]" }
}

extension ReportPage {
  /// The page as one file: style, program and figures are in it, and it asks for nothing else.
  public var html: String {
    var writer = PageWriter()
    let body = sections.enumerated().map { index, section in
      "<section aria-labelledby=\"h\(index)\"><h2 id=\"h\(index)\">"
        + Markup.escaped(section.title) + "</h2>\n"
        + (section.lead.isEmpty ? "" : "<p class=\"lead\">\(Markup.escaped(section.lead))</p>\n")
        + writer.html(section.blocks) + "</section>\n"
    }.joined()
    let title = Markup.escaped("sluice \(command): \(verdict)")
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="color-scheme" content="light dark">
      <meta name="generator" content="sluice \(Version.current)">
      <meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
      style-src 'unsafe-inline'; script-src 'nonce-sluice'; base-uri 'none'; form-action 'none'">
      <title>\(title)</title>
      <style>
      \(Self.resource(PackageResources.report_css))
      \(PageTone.styles)
      </style>
      </head>
      <body>
      \(heading)
      <main>
      \(inputHTML)
      \(body)</main>
      <footer><p>Made by sluice \(Version.current). This file asks for nothing from anywhere; its figures \
      are those of <code>--json</code>, kept in the element <code>figures</code>.</p></footer>
      <div id="tip" role="tooltip" hidden></div>
      <script type="application/json" id="figures">\(Markup.scriptData(json))</script>
      <script type="application/json" id="names">\(Markup.scriptData(writer.namesJSON))</script>
      <script nonce="sluice">
      \(Self.resource(PackageResources.report_js))
      </script>
      </body>
      </html>

      """
  }

  private static func resource(_ bytes: [UInt8]) -> String {
    String(decoding: bytes, as: UTF8.self)
  }

  private var heading: String {
    var text = "<header><p class=\"kicker\">sluice \(Markup.escaped(command))</p>"
    text += "<h1>\(Markup.unbroken(verdict))</h1>"
    text += remarks.map { "<p class=\"remark\">\(Markup.unbroken($0))</p>" }.joined()
    if !facts.isEmpty {
      text += "<dl class=\"facts\">"
      for fact in facts {
        let value = fact.figure.value.map { " data-v=\"\($0)\"" } ?? ""
        let key = fact.figure.key.map { Markup.attribute("data-k", $0) } ?? ""
        text += "<div><dt>\(Markup.escaped(fact.name))</dt>"
        text += "<dd\(value)\(key)>\(Markup.escaped(fact.figure.text))</dd>"
        if !fact.note.isEmpty { text += "<dd class=\"note\">\(Markup.escaped(fact.note))</dd>" }
        text += "</div>"
      }
      text += "</dl>"
    }
    return text + "</header>"
  }

  private var inputHTML: String {
    var text = "<section class=\"made\" aria-label=\"How this was made\">"
    if !words.isEmpty {
      let line = words.map(Self.quoted).joined(separator: " ")
      text += "<pre class=\"command\"><code>\(Markup.escaped(line))</code></pre>"
    }
    text += "<dl class=\"inputs\">"
    for input in inputs {
      text += "<div><dt>\(Markup.escaped(input.name))</dt><dd>\(Markup.escaped(input.text))"
      text += PageWriter.folded("all of it", input.details) + "</dd></div>"
    }
    return text + "</dl></section>"
  }

  /// A word as a shell takes it.
  package static func quoted(_ word: String) -> String {
    let isPlain =
      !word.isEmpty
      && word.unicodeScalars.allSatisfy {
        $0.isASCII && ($0.properties.isAlphabetic || $0.properties.numericType != nil)
          || "-_./=:,+@%".unicodeScalars.contains($0)
      }
    return isPlain ? word : "'" + word.replacing("'", with: "'\\''") + "'"
  }
}
