import Quantities

/// The unit in which times of a page stand side by side, so that the largest of them says something.
struct ReadableTime: Equatable {
  /// As the head of a column and behind a number: `days`, `hours`, `min`, `s`, `ms`.
  let name: String
  /// As a title: `Days`.
  let title: String
  let seconds: Double

  static let days = ReadableTime("days", "Days", 86_400)
  static let hours = ReadableTime("hours", "Hours", 3600)
  static let minutes = ReadableTime("min", "Minutes", 60)
  static let seconds = ReadableTime("s", "Seconds", 1)
  static let milliseconds = ReadableTime("ms", "Milliseconds", 1e-3)

  private static let descending = [days, hours, minutes, seconds, milliseconds]

  private init(_ name: String, _ title: String, _ seconds: Double) {
    (self.name, self.title, self.seconds) = (name, title, seconds)
  }

  /// The largest unit, at most `most`, of which a time makes two or more (of seconds one); `most` for no time.
  init(for time: Double, most: ReadableTime = .days) {
    let units = Self.descending.drop { $0 != most }
    let fitting = units.first { time.magnitude >= ($0 == .seconds ? 1 : 2) * $0.seconds }
    self = time == 0 ? most : fitting ?? .milliseconds
  }

  /// The unit below, in which the parts of a time stand; seconds stay what they are.
  var finer: ReadableTime {
    switch self {
    case .days: .hours
    case .hours: .minutes
    case .minutes: .seconds
    default: self
    }
  }

  /// `60.37`: the number alone.
  func number(_ time: Double, decimals: Int = 2) -> String {
    fixed(time / seconds, decimals: decimals)
  }

  /// `60.37 days`.
  func text(_ time: Double) -> String { "\(number(time)) \(name)" }
}

extension ForecastFigures {
  /// What the whole run is told in.
  var unit: ReadableTime { ReadableTime(for: wallSeconds?.mean ?? elapsedSeconds) }

  /// What the run's parts are told in: of days hours, of hours and minutes what is below.
  var partUnit: ReadableTime { unit.finer }

  /// A part of the run's time, as precise as there is room for.
  func part(_ time: Double) -> String {
    partUnit.number(time, decimals: partUnit == unit ? 3 : 2)
  }

  /// What savings are told in: at most hours.
  var savingUnit: ReadableTime {
    let most = sensitivities.map(\.savedHours.magnitude).max() ?? 0
    return ReadableTime(for: most * 3600, most: .hours)
  }

  /// A number that may be far below one: one decimal, below ten three figures.
  static func sized(_ value: Double) -> String {
    value.magnitude < 10 && value != 0 ? threeFigures(value) : fixed(value, decimals: 1)
  }
}
