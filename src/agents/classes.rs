//! What each tool is for, in the classes that rules speak of.

use serde_json::{Map, Value};

use crate::policy::Class;

/// All that a call of this tool may do. A name that is not here does anything.
pub(super) fn classes(tool: &str, arguments: &Map<String, Value>) -> Vec<Class> {
    let is = |key: &str, value: &str| arguments.get(key).is_some_and(|found| found == value);
    let submits = match tool {
        "browser_type" => {
            arguments.get("submit") == Some(&Value::Bool(true)) || breaks_line(arguments, "text")
        }
        "browser_press_key" => {
            arguments.get("key").and_then(Value::as_str).is_some_and(|key| key.ends_with("Enter"))
        }
        _ => false,
    };
    let mut classes = match tool {
        "browser_navigate" | "browser_navigate_back" => vec![Class::NAVIGATE],
        "browser_tabs" if is("action", "list") => vec![Class::READ],
        "browser_tabs" | "browser_close" => vec![Class::NAVIGATE],
        "browser_click"
        | "browser_hover"
        | "browser_drag"
        | "browser_type"
        | "browser_press_key"
        | "browser_select_option"
        | "browser_fill_form"
        | "browser_handle_dialog"
        | "browser_mouse_move_xy"
        | "browser_mouse_click_xy"
        | "browser_mouse_drag_xy"
        | "browser_mouse_down"
        | "browser_mouse_up"
        | "browser_mouse_wheel" => vec![Class::INPUT],
        "browser_drop" => vec![Class::INPUT, Class::UPLOAD],
        "browser_file_upload" => vec![Class::UPLOAD],
        "browser_downloads" => vec![Class::DOWNLOAD, Class::READ],
        "browser_pdf_save" => vec![Class::DOWNLOAD, Class::READ],
        "browser_evaluate" => vec![Class::EVALUATE],
        // A program can do all that the other tools do.
        "browser_run_code_unsafe" | "browser_resume" => vec![
            Class::EVALUATE,
            Class::NAVIGATE,
            Class::INPUT,
            Class::SUBMIT,
            Class::READ,
            Class::UPLOAD,
            Class::STORAGE,
        ],
        "browser_snapshot"
        | "browser_find"
        | "browser_secrets"
        | "browser_take_screenshot"
        | "browser_wait_for"
        | "browser_console_messages"
        | "browser_network_requests"
        | "browser_generate_locator"
        | "browser_verify_element_visible"
        | "browser_verify_text_visible"
        | "browser_verify_list_visible"
        | "browser_verify_value"
        | "browser_route_list"
        | "browser_heap_snapshot"
        | "browser_start_tracing"
        | "browser_stop_tracing"
        | "browser_start_profiling"
        | "browser_stop_profiling"
        | "browser_start_video"
        | "browser_stop_video"
        | "browser_start_recording"
        | "browser_stop_recording"
        | "browser_annotate"
        | "browser_get_config"
        | "what_changed"
        | "browser_highlight"
        | "browser_hide_highlight"
        | "browser_video_chapter"
        | "browser_video_show_actions"
        | "browser_video_hide_actions" => {
            vec![Class::READ]
        }
        // Heads of requests carry cookies and tokens.
        "browser_network_request" => vec![Class::READ, Class::CREDENTIALS],
        "browser_network_state_set"
        | "browser_route"
        | "browser_unroute"
        | "browser_emulate"
        | "browser_emulate_media"
        | "browser_resize" => vec![Class::SETTINGS],
        "browser_cookie_list"
        | "browser_cookie_get"
        | "browser_cookie_set"
        | "browser_cookie_delete"
        | "browser_cookie_clear"
        | "browser_storage_state"
        | "browser_set_storage_state" => {
            vec![Class::STORAGE, Class::CREDENTIALS]
        }
        "say" | "request_help" | "wait_for_user" => Vec::new(),
        tool if tool.starts_with("browser_localstorage_") || tool.starts_with("browser_sessionstorage_") => {
            vec![Class::STORAGE]
        }
        _ => vec![Class::OTHER],
    };
    if submits {
        classes.push(Class::SUBMIT);
    }
    classes
}

/// A line break in a one-line field sends its form.
fn breaks_line(arguments: &Map<String, Value>, key: &str) -> bool {
    arguments.get(key).and_then(Value::as_str).is_some_and(|text| text.contains(['\n', '\r']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::catalogue;

    #[test]
    fn it_is_known_of_every_tool_what_it_is_for() {
        for entry in catalogue::all() {
            let classes = classes(&entry.tool.name, &Map::new());
            assert!(!classes.contains(&Class::OTHER), "{} is in no class", entry.tool.name);
        }
        assert_eq!(classes("new_tool", &Map::new()), [Class::OTHER]);
    }
}
