import Foundation
import Schedules

/// The text of a regular file of at most 64 MiB.
func textFile(_ path: String) throws(ScheduleError) -> String {
  let largest = 1 << 26
  guard let facts = try? FileManager.default.attributesOfItem(atPath: path) else {
    throw ScheduleError("the file cannot be opened")
  }
  let resolved = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
  let target = (try? FileManager.default.attributesOfItem(atPath: resolved)) ?? facts
  guard target[.type] as? FileAttributeType == .typeRegular else {
    throw ScheduleError("is not a file")
  }
  guard let size = target[.size] as? Int, size <= largest else {
    throw ScheduleError("is larger than 64 MiB")
  }
  guard let data = FileManager.default.contents(atPath: resolved) else {
    throw ScheduleError("the file cannot be read")
  }
  guard let text = String(data: data, encoding: .utf8) else {
    throw ScheduleError("is not UTF-8 text")
  }
  return text
}
