//! The promises, each written once for every bus.

pub(crate) mod consuming;
pub(crate) mod dead;
pub(crate) mod handling;
pub(crate) mod publishing;
pub(crate) mod waiting;

/// Makes a test of each contract, in a fresh place of the type given.
macro_rules! keeps_every_contract {
    ($place:ty) => {
        $crate::contracts::keeps_every_contract! { $place:
            publishing {
                what_is_confirmed_is_in_every_queue_that_is_bound_for_it
                what_no_queue_is_bound_for_is_kept
                a_command_that_no_lane_takes_is_kept
                each_confirm_is_credited_to_its_own_message
                messages_of_one_publisher_keep_their_order
                what_was_published_before_closing_is_answered_and_nothing_is_taken_after
            }
            consuming {
                what_is_acknowledged_is_gone
                what_is_put_back_comes_again_and_says_so
                what_a_dropped_subscription_held_goes_back
                a_crash_loses_nothing_that_was_confirmed
                what_is_unsettled_is_bounded_by_the_prefetch
                one_consumer_at_a_time_gets_everything_where_the_queue_says_so
                many_consumers_share_a_queue
                no_delivery_is_lost_when_waiting_for_it_is_given_up
                after_cancelling_what_is_in_hand_is_settled_and_no_more_comes
            }
            waiting {
                a_delayed_message_comes_back_whole_and_not_too_early
                a_short_delay_does_not_wait_behind_a_long_one
                a_delayed_message_survives_a_crash
                a_dead_letter_is_kept
                a_dead_letter_is_copied_to_its_record
                what_is_in_queues_is_counted
                a_record_drops_its_oldest
            }
            dead {
                looking_at_letters_changes_nothing
                letters_are_seen_in_their_order_however_many
                a_replayed_letter_is_on_its_queue_alone_and_as_it_was
                an_edited_letter_is_on_its_queue_and_says_that_it_was_edited
                a_letter_that_cannot_be_edited_so_stays
                a_letter_that_dies_again_is_not_replayed_again
                a_letter_that_cannot_be_replayed_stays
                only_the_letters_that_are_meant_are_touched
                an_interrupted_replay_loses_nothing
                a_replay_that_is_stopped_tells_what_it_did
                what_somebody_else_has_in_hand_is_left_alone
                what_no_queue_was_bound_for_is_replayed_by_its_routing_key
            }
            handling {
                what_a_handler_returns_is_published_and_the_event_settled
                a_failure_is_tried_again_and_dead_when_the_attempts_are_used_up
                a_failure_that_passes_is_handled_in_the_end
                an_unreadable_body_is_dead_at_once
                a_handler_that_panics_is_tried_again_and_then_dead
                shutdown_finishes_what_is_in_hand_and_gives_back_the_rest
                what_is_not_finished_in_time_is_given_back
            }
        }
    };
    ($place:ty: $($module:ident { $($contract:ident)* })*) => { $($(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $contract() {
            let place = <$place as $crate::running::Place>::fresh();
            $crate::contracts::$module::$contract(&place).await;
        }
    )*)* };
}
pub(crate) use keeps_every_contract;
