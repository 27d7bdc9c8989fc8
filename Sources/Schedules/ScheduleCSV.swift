extension Cell: CustomStringConvertible {
  /// The text of a cell in the reference notation.
  public var description: String {
    switch self {
    case .idle: ""
    case .run(let action): "\(action)"
    case .overlapped(let forward, let backward): "(\(forward);\(backward))OVERLAP_F_B"
    case .send(let boundary, let stage, let microbatch):
      "\(stage)SEND_\(boundary.rawValue)\(microbatch)"
    case .receive(let boundary, let stage, let microbatch):
      "\(stage)RECV_\(boundary.rawValue)\(microbatch)"
    case .commit: "COMMIT"
    }
  }

  /// Reads one cell, or throws with what is wrong with it.
  public init(text: some StringProtocol) throws(ScheduleError) {
    var rest = Substring(text)
    while rest.first == " " { rest.removeFirst() }
    while rest.last == " " { rest.removeLast() }
    if rest.isEmpty {
      self = .idle
    } else if rest == "COMMIT" {
      self = .commit
    } else if rest.hasPrefix("(") {
      self = try Cell.pair(rest)
    } else {
      self = try Cell.single(rest)
    }
  }

  private static func pair(_ text: Substring) throws(ScheduleError) -> Cell {
    let suffix = ")OVERLAP_F_B"
    let parts = text.dropFirst().dropLast(suffix.count).split(
      separator: ";", omittingEmptySubsequences: false)
    guard text.hasSuffix(suffix), parts.count == 2,
      case .run(let forward) = try single(parts[0]), forward.pass == .forward,
      case .run(let backward) = try single(parts[1]), backward.pass == .backward
    else {
      throw ScheduleError("an overlapped pair is written like (0F7;3B5)OVERLAP_F_B")
    }
    return .overlapped(forward: forward, backward: backward)
  }

  private static func single(_ text: Substring) throws(ScheduleError) -> Cell {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    let afterStage = text.dropFirst(digits.count)
    let letters = afterStage.prefix { !($0.isASCII && $0.isNumber) }
    guard let stage = Int(digits), let microbatch = Int(afterStage.dropFirst(letters.count)),
      stage < 1 << 32, (0..<1 << 32).contains(microbatch)
    else {
      throw ScheduleError("a cell is a stage, an action and a microbatch, like 2F0 or 3RECV_B1")
    }
    switch letters {
    case "SEND_F": return .send(.activation, stage: stage, microbatch: microbatch)
    case "SEND_B": return .send(.gradient, stage: stage, microbatch: microbatch)
    case "RECV_F": return .receive(.activation, stage: stage, microbatch: microbatch)
    case "RECV_B": return .receive(.gradient, stage: stage, microbatch: microbatch)
    default:
      guard letters.count == 1, let pass = Action.Pass(rawValue: letters[letters.startIndex])
      else {
        throw ScheduleError(
          "there is no action '\(letters)'; one of F B I W SEND_F RECV_F SEND_B RECV_B")
      }
      return .run(Action(pass, stage: stage, microbatch: microbatch))
    }
  }
}

extension Action: CustomStringConvertible {
  /// The text of an action in the reference notation, such as `2F0`.
  public var description: String { "\(stage)\(pass.rawValue)\(microbatch)" }
}

extension Schedule {
  /// The schedule in the reference notation: a row per rank, a cell per action, an empty cell for an
  /// idle slot.
  public var csv: String {
    ranks.map { $0.map(\.description).joined(separator: ",") + "\n" }.joined()
  }

  /// Reads a schedule in the reference notation.
  ///
  /// Stages, microbatches and their ranks follow from the cells; whether the order can be carried out is
  /// for `validate()` to say. A line without an action, such as a blank one, is no rank. Cells may be in
  /// quotes, and what follows a `#` is a comment. PyTorch's cells for sharded parameters (`0UNSHARD`,
  /// `1RESHARD`, `0REDUCE_GRAD`) are passed over: a plan's sharding says when parameters are gathered and
  /// gradients reduced (see `shardingCells`).
  ///
  /// - Throws: the line (from 1), the cell (from 1) and what is wrong with it.
  public init(csv text: String) throws(ScheduleError) {
    var ranks: [[Cell]] = []
    var lines: [Int] = []
    let all = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (index, line) in all.enumerated() {
      var cells: [Cell] = []
      for (column, text) in try Schedule.cells(of: line, number: index + 1).enumerated()
      where !Schedule.isOfSharding(text) {
        do {
          cells.append(try Cell(text: text))
        } catch {
          throw ScheduleError(
            "line \(index + 1), cell \(column + 1): '\(text.printable)': \(error.message)")
        }
      }
      if cells.allSatisfy({ $0 == .idle }) { continue }
      ranks.append(cells)
      lines.append(index + 1)
    }
    if ranks.isEmpty { throw ScheduleError("the schedule has no actions") }
    try self.init(ranksInferringPlacement: ranks, lines: lines)
  }

  /// How many cells of a text are PyTorch's for sharded parameters, which `init(csv:)` passes over.
  public static func shardingCells(inCSV text: String) -> Int {
    text.split(whereSeparator: \.isNewline).enumerated().reduce(0) { count, line in
      count + ((try? cells(of: line.element, number: line.offset)) ?? []).count(where: isOfSharding)
    }
  }

  /// The texts of a line's cells, without quotes and comments.
  private static func cells(
    of line: Substring, number: Int
  ) throws(ScheduleError) -> [Substring] {
    // Most files have neither.
    guard line.utf8.contains(where: { $0 == 0x22 || $0 == 0x23 }) else {
      return line.split(separator: ",", omittingEmptySubsequences: false)
    }
    var cells = [""]
    var isQuoted = false
    for character in line {
      switch character {
      case "\"": isQuoted.toggle()
      case "#" where !isQuoted:
        return cells.count == 1 && cells[0].allSatisfy { $0 == " " || $0 == "\t" }
          ? [] : cells.map { $0[...] }
      case "," where !isQuoted: cells.append("")
      default: cells[cells.count - 1].append(character)
      }
    }
    guard !isQuoted else {
      throw ScheduleError("line \(number), cell \(cells.count): a quote is not closed")
    }
    return cells.map { $0[...] }
  }

  /// Whether a cell gathers parameters, gives them back or reduces gradients.
  private static func isOfSharding(_ text: Substring) -> Bool {
    let word = text.drop { $0 == " " || $0.isASCII && $0.isNumber }
    guard let first = word.first, "UR".contains(first) else { return false }
    return ["UNSHARD", "RESHARD", "REDUCE_GRAD"].contains {
      word.hasPrefix($0) && word.dropFirst($0.count).allSatisfy { $0 == " " }
    }
  }

  /// Counts stages and microbatches and finds out which rank holds which stage.
  private init(ranksInferringPlacement ranks: [[Cell]], lines: [Int]) throws(ScheduleError) {
    let cellCount = ranks.reduce(0) { $0 + $1.count }
    var stages = 0
    var microbatches = 0
    for (row, cells) in ranks.enumerated() {
      for (column, cell) in cells.enumerated() {
        for action in cell.actions {
          guard action.stage < 2 * cellCount, action.microbatch < 2 * cellCount else {
            throw ScheduleError(
              "line \(lines[row]), cell \(column + 1): '\(cell)': the number is beyond what a schedule "
                + "of \(cellCount) cells can hold")
          }
          stages = max(stages, action.stage + 1)
          microbatches = max(microbatches, action.microbatch + 1)
        }
      }
    }
    if stages == 0 { throw ScheduleError("the schedule has no actions") }
    // Keeps tables of stage times microbatch as small as the text.
    guard stages * microbatches <= 2 * cellCount else {
      throw ScheduleError(
        "the schedule goes up to stage \(stages - 1) and microbatch \(microbatches - 1), which takes "
          + "\(stages * microbatches) forwards and as many backwards, but has only \(cellCount) cells"
      )
    }
    var homes = [[Int]](repeating: [], count: stages)
    for (row, cells) in ranks.enumerated() {
      for action in cells.lazy.flatMap(\.actions) where homes[action.stage].last != row {
        homes[action.stage].append(row)
      }
    }
    if let missing = homes.firstIndex(of: []) {
      throw ScheduleError("no line has an action of stage \(missing), though there are \(stages)")
    }
    let placement: Placement
    if let stage = homes.firstIndex(where: { $0.count > 1 }) {
      let isTwoWay = homes.indices.allSatisfy { stage in
        homes.count == ranks.count
          && homes[stage].allSatisfy { $0 == stage || $0 == stages - 1 - stage }
      }
      guard isTwoWay else {
        throw ScheduleError(
          "stage \(stage) has actions in line \(lines[homes[stage][0]]) and line \(lines[homes[stage][1]]); "
            + "a stage lies on one rank, or on ranks r and P-1-r for DualPipe")
      }
      placement = .bidirectional(ranks: ranks.count)
    } else {
      placement = .fixed(homes.map { $0[0] })
    }
    self.init(
      ranks: ranks, stageCount: stages, microbatchCount: microbatches, placement: placement)
  }
}

extension StringProtocol {
  /// At most 40 characters, without control characters, for a message.
  fileprivate var printable: String {
    String(
      prefix(40).map {
        $0.unicodeScalars.allSatisfy { $0.value >= 32 && $0.value != 127 } ? $0 : "?"
      })
  }
}
