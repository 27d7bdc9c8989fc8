/// A table of a page: sorted by any column, filtered by words.
public struct ReportTable: Sendable {
  public struct Column: Sendable {
    public var title: String
    /// Words stand left, numbers right.
    public var isText: Bool
    /// A terminal has no room for it.
    public var isAside: Bool

    /// What a terminal calls it where room is scarce.
    public var short: String

    public init(
      _ title: String, short: String? = nil, isText: Bool = false, isAside: Bool = false
    ) {
      (self.title, self.isText, self.isAside) = (title, isText, isAside)
      self.short = short ?? title
    }
  }

  public struct Row: Sendable {
    public var cells: [ReportFigure]
    /// The colour that stands before the first cell.
    public var tone: PageTone?
    /// A terminal that shows some rows shows this one.
    public var isKept = false
    /// A row that others are summed up in.
    public var isTotal = false
    /// Ranks that the row stands for, shown when asked for.
    public var ranks: RankList?
    /// What a filter of a picture calls the row.
    public var name: String?

    public init(_ cells: [ReportFigure], tone: PageTone? = nil) {
      (self.cells, self.tone) = (cells, tone)
    }
  }

  /// Ranks that did the same: each `count` from `first` on, `stride` apart.
  public struct RankList: Sendable {
    public var first: Int
    public var count: Int
    public var stride: Int

    public init(first: Int, count: Int, stride: Int) {
      (self.first, self.count, self.stride) = (first, count, stride)
    }
  }

  /// What says where a rank stands: degrees, and ranks of a node.
  public struct RankMesh: Encodable, Sendable {
    public var dp: Int
    public var cp: Int
    public var tp: Int
    public var ep: Int
    public var etp: Int
    public var node: Int
  }

  public var title: String
  public var columns: [Column]
  public var rows: [Row] = []
  /// A line beneath.
  public var note = ""
  /// Where ranks stand, for rows that open to show theirs.
  public var mesh: RankMesh?
  /// How many rows are seen before the reader asks for the others; nil for all.
  public var shown: Int?
  /// It stands beside a picture, which a terminal does not show.
  public var isAside = false
  /// A terminal joins neighbours that differ in their first cell alone, and thins what is left.
  public var isThinned = false
  /// The column whose numbers a terminal shows as bars, too.
  public var bars: Int?

  public init(_ title: String, _ columns: [Column]) {
    (self.title, self.columns) = (title, columns)
  }

  public mutating func add(_ cells: [ReportFigure], tone: PageTone? = nil) {
    rows.append(Row(cells, tone: tone))
  }

  /// Rows from which on a box for words stands above.
  private static let filteredFrom = 13
  /// Words from so many characters on go on in the line below where room is scarce.
  private static let longWords = 16

  func html(_ writer: inout PageWriter) -> String {
    let number = writer.nextNumber()
    let places = mesh.flatMap { try? jsonLine($0) }.map { Markup.attribute("data-mesh", $0) } ?? ""
    var text = "<div class=\"table\" id=\"t\(number)\"\(places)>"
    if rows.count >= Self.filteredFrom {
      text +=
        "<p class=\"tools\"><label>Filter <input type=\"search\" autocomplete=\"off\" "
        + "aria-controls=\"t\(number)\" placeholder=\"words, or &gt; 1.5\"></label>"
        + "<output></output></p>"
    }
    text += "<div class=\"scroll\" tabindex=\"0\" role=\"region\""
    text += Markup.attribute("aria-label", title) + "><table><caption>"
    text += Markup.escaped(title) + "</caption><thead><tr>"
    for column in columns {
      text +=
        "<th scope=\"col\"\(column.isText ? " class=\"w\"" : "")><button type=\"button\">"
        + Markup.escaped(column.title) + "</button></th>"
    }
    text += "</tr></thead><tbody>"
    let long = Set(columns.indices.filter(isLong))
    for (index, row) in rows.enumerated() {
      text += html(row, isHidden: index >= shown ?? .max, long)
    }
    text += "</tbody></table></div>"
    if let shown, rows.count > shown {
      text += "<p class=\"tools\"><button type=\"button\" class=\"more\">"
      text += "Show all \(grouped(rows.count)) rows</button></p>"
    }
    if !note.isEmpty { text += "<p class=\"note\">\(Markup.escaped(note))</p>" }
    return text + "</div>"
  }

  /// Whether a column has words for which a narrow window has no room in one line.
  private func isLong(_ column: Int) -> Bool {
    columns[column].isText
      && rows.contains {
        $0.cells.count > column && $0.cells[column].text.count >= Self.longWords
      }
  }

  private func html(_ row: Row, isHidden: Bool, _ long: Set<Int>) -> String {
    var classes = row.isTotal ? ["total"] : []
    if isHidden { classes.append("late") }
    var text =
      "<tr" + (classes.isEmpty ? "" : Markup.attribute("class", classes.joined(separator: " ")))
    if let name = row.name { text += Markup.attribute("data-name", name) }
    if let ranks = row.ranks {
      text += " data-ranks=\"\(ranks.first) \(ranks.count) \(ranks.stride)\""
    }
    text += ">"
    for (index, cell) in row.cells.enumerated() {
      let isText = index < columns.count && columns[index].isText
      text += index == 0 ? "<th scope=\"row\"" : "<td"
      if isText { text += long.contains(index) ? " class=\"w l\"" : " class=\"w\"" }
      if let value = cell.value { text += " data-v=\"\(value)\"" }
      if let key = cell.key { text += Markup.attribute("data-k", key) }
      text += ">"
      if index == 0, let tone = row.tone { text += "<i class=\"sw \(tone.name)\"></i>" }
      text += Markup.escaped(cell.text) + (index == 0 ? "</th>" : "</td>")
    }
    return text + "</tr>\n"
  }
}
