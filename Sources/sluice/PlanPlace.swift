import Documents
import Foundation
import Plans
import Simulation

extension Scene {
  /// The plan ready to be simulated, what breaks a rule with its line.
  func locatedStep() throws -> PlannedStep {
    do { return try step() } catch let error as PlanError { throw located(error) }
  }

  /// The plan placed on model and cluster, likewise.
  func locatedPlace() throws -> PlacedPlan {
    do { return try placed() } catch let error as PlanError { throw located(error) }
  }

  /// What is wrong with a plan from a file, with the line of the key that is named first; the error itself where the
  /// file says none of its keys.
  ///
  /// A plan is read before model and cluster are known: rules that span them, or several keys, have no line of their own.
  func located(_ error: PlanError) -> any Error {
    guard givenPlan != StandardInput.name, !Plan.shippedNames.contains(givenPlan),
      var document = try? Document(file: givenPlan)
    else { return error }
    try? document.set(planOverrides)
    let text = "\(error)"
    let places = document.locatedLeaves.compactMap { leaf, line in
      place(of: leaf.keyPath, in: text).map { (at: $0, path: leaf.keyPath, line: line) }
    }
    let first = places.min { ($0.at, -$0.path.count) < ($1.at, -$1.path.count) }
    guard let line = first?.line else { return error }
    return ConfigurationError(file: givenPlan, line: line, rule: text)
  }

  /// The place of a key in a sentence, as a word of its own or the beginning of a path.
  private func place(of key: String, in text: String) -> Int? {
    func isOfName(_ letter: Character) -> Bool {
      letter.isLetter || letter.isNumber || letter == "-"
    }
    var rest = text[...]
    while let range = rest.range(of: key) {
      let isFirst = range.lowerBound == text.startIndex
      let before = isFirst ? " " : text[text.index(before: range.lowerBound)]
      let behind = range.upperBound < text.endIndex ? text[range.upperBound] : " "
      if !isOfName(before), before != ".", !isOfName(behind) {
        return text.distance(from: text.startIndex, to: range.lowerBound)
      }
      rest = rest[range.upperBound...]
    }
    return nil
  }
}
