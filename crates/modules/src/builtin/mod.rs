//! The modules, one file each, in the order of their names.

mod aes_gcm;
mod aggregator;
mod array_filter;
mod array_group;
mod array_map;
mod array_reduce;
mod array_sort;
mod base64_decode;
mod base64_encode;
mod code;
mod csv_build;
mod csv_parse;
mod curl;
mod date;
mod db_delete;
mod db_insert;
mod db_query;
mod db_raw;
mod db_update;
mod db_upsert;
mod delay;
mod end;
mod enumeration;
mod fail;
mod hash;
mod hmac;
mod iterator;
mod json_parse;
mod json_path;
mod json_stringify;
mod jwt_sign;
mod jwt_verify;
mod kv_append;
mod kv_compare_and_set;
mod kv_delete;
mod kv_get;
mod kv_increment;
mod kv_set;
mod log;
mod math;
mod mcp_call;
mod regex;
mod respond;
mod router;
mod s3_delete;
mod s3_download;
mod s3_list;
mod s3_upload;
mod send_mail;
mod storage_delete;
mod storage_exists;
mod storage_list;
mod storage_move;
mod storage_read;
mod storage_tempdir;
mod storage_write;
mod subflow;
mod template;
mod url_decode;
mod url_encode;
mod var;
mod wait_event;
mod wget;
mod ws_send;
mod xml_parse;
mod yaml_parse;

use sdk::Module;

/// Every built-in module.
pub fn all() -> Vec<Module> {
    vec![
        aes_gcm::module(),
        aggregator::module(),
        array_filter::module(),
        array_group::module(),
        array_map::module(),
        array_reduce::module(),
        array_sort::module(),
        base64_decode::module(),
        base64_encode::module(),
        code::module(),
        csv_build::module(),
        csv_parse::module(),
        curl::module(),
        date::module(),
        db_delete::module(),
        db_insert::module(),
        db_query::module(),
        db_raw::module(),
        db_update::module(),
        db_upsert::module(),
        delay::module(),
        end::module(),
        enumeration::module(),
        fail::module(),
        hash::module(),
        hmac::module(),
        iterator::module(),
        json_parse::module(),
        json_path::module(),
        json_stringify::module(),
        jwt_sign::module(),
        jwt_verify::module(),
        kv_append::module(),
        kv_compare_and_set::module(),
        kv_delete::module(),
        kv_get::module(),
        kv_increment::module(),
        kv_set::module(),
        log::module(),
        math::module(),
        mcp_call::module(),
        regex::module(),
        respond::module(),
        router::module(),
        s3_delete::module(),
        s3_download::module(),
        s3_list::module(),
        s3_upload::module(),
        send_mail::module(),
        storage_delete::module(),
        storage_exists::module(),
        storage_list::module(),
        storage_move::module(),
        storage_read::module(),
        storage_tempdir::module(),
        storage_write::module(),
        subflow::module(),
        template::module(),
        url_decode::module(),
        url_encode::module(),
        var::module(),
        wait_event::module(),
        wget::module(),
        ws_send::module(),
        xml_parse::module(),
        yaml_parse::module(),
    ]
}

#[cfg(test)]
mod tests {
    use super::all;

    #[test]
    fn the_list_is_sorted_and_no_id_comes_twice() {
        let ids: Vec<&str> = all().iter().map(|module| module.id).collect();
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(ids, sorted);
    }

    /// Each file has the contract test as well; this one finds the file that forgot it.
    #[test]
    fn every_module_keeps_the_contract() {
        for module in all() {
            sdk::contract::check(&module);
        }
    }
}
