import Foundation

/// The path of a fixture.
func fixture(_ name: String) -> String {
  Bundle.module.bundlePath + "/Fixtures/" + name
}
