import Foundation
import Reports
import Schedules
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// Pictures of schedules.
@Suite struct PictureTests {
  static let times = PassTimes(
    forward: 1, backwardInput: 1, backwardWeight: 1, transfer: 0, overlapped: nil)

  @Test(arguments: ["1f1b", "zbv", "dualpipe"]) func recorded(_ name: String) throws {
    let schedule = try ScheduleName(named: name).schedule(
      ranks: 2, microbatches: name == "dualpipe" ? 4 : 3)
    let picture = try SchedulePicture(schedule, name: name, times: Self.times)
    try Snapshots.expect(picture.svg, equals: "\(name).svg")
  }

  /// Every action is drawn once, inside the card, with its number inside its cell.
  @Test(arguments: ScheduleName.allCases) func complete(_ name: ScheduleName) throws {
    let schedule = try name.schedule(ranks: 4, microbatches: 8)
    let picture = try SchedulePicture(schedule, name: name.rawValue, times: Self.times)
    let reader = PictureReader()
    let parser = XMLParser(data: Data(picture.svg.utf8))
    parser.delegate = reader
    #expect(parser.parse(), "\(String(describing: parser.parserError))")
    let actions = schedule.ranks.joined().reduce(0) { $0 + $1.actions.count }
    #expect(reader.cells.count == actions)
    #expect(reader.numbers.count == actions)
    for cell in reader.cells {
      #expect(cell.x >= 0 && cell.x + cell.width <= reader.width)
      #expect(cell.y >= 0 && cell.y + cell.height <= reader.height)
    }
    for (cell, number) in zip(reader.cells, reader.numbers) {
      #expect(number.size * 0.6 * Double(number.text.count) <= cell.width)
      #expect(number.size <= cell.height)
    }
  }

  @Test func aPictureOfTooMuchIsRefused() throws {
    let schedule = try ScheduleName.gpipe.schedule(ranks: 64, microbatches: 512)
    #expect(throws: ScheduleError.self) {
      try SchedulePicture(schedule, name: "gpipe", times: Self.times)
    }
  }
}

/// Collects the cells of a picture and the numbers in them.
private final class PictureReader: NSObject, XMLParserDelegate {
  struct Box {
    var x, y, width, height: Double
  }

  var width = 0.0
  var height = 0.0
  var cells: [Box] = []
  var numbers: [(text: String, size: Double)] = []
  private var isInGroup = false
  private var text: String?
  private var size = 0.0

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
    qualifiedName: String?, attributes: [String: String]
  ) {
    func number(_ key: String) -> Double { attributes[key].flatMap { Double($0) } ?? -1 }
    switch name {
    case "svg": (width, height) = (number("width"), number("height"))
    case "g": isInGroup = true
    case "rect" where isInGroup:
      cells.append(
        Box(x: number("x"), y: number("y"), width: number("width"), height: number("height")))
    case "text" where isInGroup:
      text = ""
      let digits = attributes["style"]?.filter { $0.isNumber || $0 == "." } ?? ""
      size = Double(digits) ?? -1
    default: break
    }
  }

  func parser(_ parser: XMLParser, foundCharacters string: String) { text? += string }

  func parser(
    _ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?
  ) {
    if name == "g" { isInGroup = false }
    if name == "text", let text {
      numbers.append((text, size))
      self.text = nil
    }
  }
}
